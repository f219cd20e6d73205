// Reads a whole blob from a host and hashes it: what finds rot that samples miss, and what ends a drain.

import { openHasher } from '#blobs/hashing.ts'
import type { OutboundClient } from '#http/outbound/outbound-client.ts'
import { algorithmOf, type Digest } from '#oci/digest.ts'
import {
  askedUrl,
  blobUrl,
  judgeStatus,
  type ProbeLimits,
  type Sample,
  type Subject,
  unanswered,
} from './sample-blob.ts'

export type WholeRead = { readonly sample: Sample; readonly bytesPerSecond: number }

export async function readWhole(
  client: Pick<OutboundClient, 'send'>,
  base: string,
  blob: Subject,
  limits: ProbeLimits,
): Promise<WholeRead> {
  const url = blobUrl(base, blob.digest)
  const expected = `200 and ${blob.sizeBytes} bytes of ${blob.digest}`
  const startedAt = performance.now()
  try {
    const answer = await client.send({ ...limits, url: askedUrl(url, limits), maxBodyBytes: blob.sizeBytes })
    const { firstByteMs: roundTripMs, family, status } = answer
    const judged = (verdict: Sample['verdict'], came?: string): WholeRead => {
      const fault = came === undefined ? undefined : { url, expected, came }
      const seconds = (performance.now() - startedAt) / 1000
      const sample = { verdict, fault, trouble: undefined, roundTripMs, family }
      return { sample, bytesPerSecond: verdict === 'good' ? blob.sizeBytes / seconds : 0 }
    }
    const encoding = answer.header('content-encoding')
    if (status !== 200 || (encoding !== undefined && encoding !== 'identity')) {
      await answer.body.cancel()
      return status === 200 ? judged('unsuitable', `Content-Encoding: ${encoding}`) : judged(...judgeStatus(answer))
    }
    const hasher = openHasher(algorithmOf(blob.digest as Digest))
    let received = 0
    for await (const chunk of answer.body) {
      hasher.update(chunk)
      received += chunk.length
    }
    if (received !== blob.sizeBytes) return judged('lacking', `200 and ${received} bytes`)
    const digest = hasher.digest()
    return digest === blob.digest ? judged('good') : judged('wrong', `200 and ${received} bytes of ${digest}`)
  } catch (error) {
    return { sample: unanswered(url, expected, error), bytesPerSecond: 0 }
  }
}
