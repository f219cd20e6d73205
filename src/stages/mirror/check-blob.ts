// Whether a host holds a blob: its size by HEAD, then blocks at places it cannot know beforehand.

import type { OutboundClient } from '#http/outbound/outbound-client.ts'
import type { TreeBlob } from './host-records.ts'
import {
  askedUrl,
  type BlobSource,
  blobUrl,
  blockAt,
  judgeStatus,
  type ProbeLimits,
  readOriginRange,
  requireSound,
  type Sample,
  sampleBlob,
  unanswered,
} from './sample-blob.ts'

export type CheckOptions = ProbeLimits & {
  /** The last block is the end of the blob, where a broken copy stops; of a single one, every other time. */
  readonly blocksPerBlob: number
  /** The part of the blobs that a HEAD is asked for as well: a range tells size and bytes alone, but not how whole answers look. */
  readonly headShare?: number
  readonly blockBytes: number
}

export type CheckTools = {
  readonly client: Pick<OutboundClient, 'send'>
  readonly blobs: BlobSource
  readonly random: () => number
}

/** `requests` and `bytes` count what it cost, whatever it found. */
export type BlobCheck = { readonly sample: Sample; readonly requests: number; readonly bytes: number }

export async function checkBlob(
  base: string,
  blob: TreeBlob,
  tools: CheckTools,
  options: CheckOptions,
): Promise<BlobCheck> {
  const { headShare = 1, blocksPerBlob } = options
  const hasBlocks = blocksPerBlob > 0 && blob.sizeBytes > 0
  let sample: Sample | undefined
  let requests = 0
  let bytes = 0
  if (!hasBlocks || headShare === 1 || tools.random() < headShare) {
    sample = await checkSize(base, blob, tools.client, options)
    requests++
  }
  for (let i = 1; i <= blocksPerBlob && hasBlocks && (!sample || sample.verdict === 'good'); i++) {
    const isEnd = i === blocksPerBlob && (blocksPerBlob > 1 || tools.random() < 0.5)
    const range = blockAt(blob.sizeBytes, options.blockBytes, isEnd ? 1 - Number.EPSILON : tools.random())
    const block = { range, bytes: await readOriginRange(tools.blobs, blob.digest, range) }
    sample = await sampleBlob(tools.client, base, blob, block, options)
    if (sample.verdict === 'wrong') await requireSound(tools.blobs, blob.digest)
    requests++
    bytes += block.bytes.length
  }
  return { sample: sample!, requests, bytes }
}

async function checkSize(
  base: string,
  blob: TreeBlob,
  client: Pick<OutboundClient, 'send'>,
  limits: ProbeLimits,
): Promise<Sample> {
  const url = blobUrl(base, blob.digest)
  const expected = `200 with Content-Length: ${blob.sizeBytes} and no Content-Encoding`
  try {
    const answer = await client.send({ ...limits, url: askedUrl(url, limits), method: 'HEAD', maxBodyBytes: 0 })
    for await (const _ of answer.body) break
    const { firstByteMs: roundTripMs, family, status } = answer
    const judged = (verdict: Sample['verdict'], came: string): Sample => {
      return { verdict, fault: { url, expected, came }, trouble: undefined, roundTripMs, family }
    }
    const good: Sample = { verdict: 'good', fault: undefined, trouble: undefined, roundTripMs, family }
    // A server that refuses HEAD shows size and bytes by its ranges.
    if (status === 405 || status === 501) return good
    if (status !== 200) return judged(...judgeStatus(answer))
    const encoding = answer.header('content-encoding')
    if (encoding !== undefined && encoding !== 'identity') return judged('unsuitable', `Content-Encoding: ${encoding}`)
    const length = answer.header('content-length')
    if (length === String(blob.sizeBytes)) return good
    return judged(length === undefined ? 'unsuitable' : 'lacking', `Content-Length: ${length ?? 'none'}`)
  } catch (error) {
    return unanswered(url, expected, error)
  }
}
