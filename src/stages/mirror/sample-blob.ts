// One look at some bytes of a blob on a host, asked for as a client would ask and compared with the origin's own bytes.

import { randomBytes } from 'node:crypto'
import type { BlobStore, ByteRange } from '#blobs/blob-store.ts'
import { readAll } from '#http/outbound/body-stream.ts'
import type { OutboundClient } from '#http/outbound/outbound-client.ts'
import { OutboundError, type OutboundTrouble } from '#http/outbound/outbound-error.ts'
import type { OutboundResponse } from '#http/outbound/send-request.ts'
import { blobPath, type Digest } from '#oci/digest.ts'
import type { CrawlFault } from './host-records.ts'

/** good; lacking: not there, or not whole; wrong: other bytes; unsuitable: answered in a way that breaks clients; unknown: not
 *  answered at all. */
export type SampleVerdict = 'good' | 'lacking' | 'wrong' | 'unsuitable' | 'unknown'

export type Sample = {
  readonly verdict: SampleVerdict
  /** What was wrong; undefined when good. */
  readonly fault: CrawlFault | undefined
  /** Why there was no answer. */
  readonly trouble: OutboundTrouble | undefined
  readonly roundTripMs: number
  readonly family: 4 | 6 | undefined
}

export type BlobSource = Pick<BlobStore, 'open' | 'verify'>
export type ProbeLimits = {
  readonly idleMs: number
  readonly totalMs: number
  readonly family?: 4 | 6 | undefined
  /** Whether clients come to this host with a ticket in their query. */
  readonly hasTicket?: boolean
}
export type Subject = { readonly digest: string; readonly sizeBytes: number }

// What containerd sends with blob requests: a server that compresses on demand shows itself.
const clientHeaders = { 'accept-encoding': 'zstd;q=1.0, gzip;q=0.8, deflate;q=0.5' }

export function blobUrl(base: string, digest: string): string {
  return `${base}/${blobPath(digest as Digest)}`
}

/** What a client of that host would ask for: a query like a ticket, so that no host can tell a probe by its lack. */
export function askedUrl(url: string, { hasTicket }: ProbeLimits): string {
  return hasTicket ? `${url}?t=${randomBytes(20).toString('base64url')}` : url
}

/** Our own bytes are not what they should be: that is our trouble, never a host's. */
export class OriginDamaged extends Error {
  override readonly name = 'OriginDamaged'
}

/** The bytes a host is compared with. Throws OriginDamaged when the origin lacks them. */
export async function readOriginRange(blobs: BlobSource, digest: string, range: ByteRange): Promise<Uint8Array> {
  await using body = await blobs.open(digest as Digest, range)
  if (!body) throw new OriginDamaged(`the origin itself lacks ${digest}: push it again`)
  return readAll(body.stream())
}

/** Before a host is blamed for other bytes than ours: ours may be the rotten ones. */
export async function requireSound(blobs: BlobSource, digest: string): Promise<void> {
  const state = await blobs.verify(digest as Digest)
  if (state !== 'good') throw new OriginDamaged(`the origin's own ${digest} is ${state}: push it again`)
}

/** A block of at most `lengthBytes`; `random` in [0, 1) says where. */
export function blockAt(sizeBytes: number, lengthBytes: number, random: number): ByteRange {
  const length = Math.min(lengthBytes, sizeBytes)
  const first = Math.floor(random * (sizeBytes - length + 1))
  return { first, last: first + length - 1 }
}

const good = { verdict: 'good', fault: undefined, trouble: undefined } as const

export function unanswered(url: string, expected: string, error: unknown): Sample {
  if (!(error instanceof OutboundError)) throw error
  const isAnswer = error.kind === 'protocol' || error.kind === 'too-large'
  const fault = { url, expected, came: error.message }
  const trouble = error.kind
  return { verdict: isAnswer ? 'unsuitable' : 'unknown', fault, trouble, roundTripMs: 0, family: undefined }
}

/** What any answer but the hoped-for status says about the blob. */
export function judgeStatus({ status, header }: Pick<OutboundResponse, 'status' | 'header'>): [SampleVerdict, string] {
  const told = `status ${status}`
  if (status === 404 || status === 410 || status === 401 || status === 403) return ['lacking', told]
  // A host may answer a miss by sending the client back.
  if (status >= 300 && status < 400) return ['lacking', `${told} to ${header('location') ?? 'nowhere'}`]
  if (status === 416) return ['lacking', `${told}: ${header('content-range') ?? 'shorter than it should be'}`]
  if (status >= 500 || status === 408 || status === 429) return ['unknown', told]
  return ['unsuitable', told]
}

export async function sampleBlob(
  client: Pick<OutboundClient, 'send'>,
  base: string,
  blob: Subject,
  block: { readonly range: ByteRange; readonly bytes: Uint8Array },
  limits: ProbeLimits,
): Promise<Sample> {
  const url = blobUrl(base, blob.digest)
  const { first, last } = block.range
  const range = `bytes ${first}-${last}/${blob.sizeBytes}`
  const expected = `206 with Content-Range: ${range} and the right ${block.bytes.length} bytes`
  try {
    const headers = { ...clientHeaders, range: `bytes=${first}-${last}` }
    const asked = { ...limits, url: askedUrl(url, limits), headers }
    const answer = await client.send({ ...asked, maxBodyBytes: block.bytes.length })
    const { firstByteMs: roundTripMs, family } = answer
    const judged = (verdict: SampleVerdict, came: string): Sample => {
      return { verdict, fault: { url, expected, came }, trouble: undefined, roundTripMs, family }
    }
    const head = judgeHead(answer, range)
    if (head) {
      await answer.body.cancel()
      return judged(...head)
    }
    const bytes = await readAll(answer.body)
    if (bytes.length !== block.bytes.length) return judged('unsuitable', `206 with ${bytes.length} bytes`)
    if (Buffer.compare(bytes, block.bytes) !== 0) return judged('wrong', `other bytes at ${first}-${last}`)
    return { ...good, roundTripMs, family }
  } catch (error) {
    return unanswered(url, expected, error)
  }
}

function judgeHead(answer: OutboundResponse, range: string): [SampleVerdict, string] | undefined {
  const encoding = answer.header('content-encoding')
  const isEncoded = encoding !== undefined && encoding !== 'identity'
  if (isEncoded && (answer.status === 200 || answer.status === 206)) {
    return ['unsuitable', `Content-Encoding: ${encoding}: blobs must be sent as they are`]
  }
  if (answer.status === 200) return ['unsuitable', 'status 200 to a Range request: resuming clients need 206']
  if (answer.status !== 206) return judgeStatus(answer)
  const told = answer.header('content-range')
  if (told === range) return undefined
  const size = /^bytes \d+-\d+\/(\d+)$/.exec(told ?? '')?.[1]
  const isShort = size !== undefined && !range.endsWith(`/${size}`)
  return [isShort ? 'lacking' : 'unsuitable', `Content-Range: ${told ?? 'none'}`]
}
