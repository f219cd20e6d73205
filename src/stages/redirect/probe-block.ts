// The digest proof: one block of the blob from the host, asked for as a client would, compared with our own bytes. It shows what a
// HEAD hides: hung bodies, ignored ranges, encodings, other sizes, other bytes.
import type { BlobBody, ByteRange } from '#blobs/blob-store.ts'
import type { OutboundClient } from '#http/outbound/outbound-client.ts'
import { blobPath, type Digest } from '#oci/digest.ts'

export type OpenBlob = (digest: Digest, range?: ByteRange) => Promise<BlobBody | undefined>

export type ProbeParts = {
  readonly outbound: Pick<OutboundClient, 'send'>
  /** Undefined where the blobs do not lie here: then the shape of the answer is all that can be checked. */
  readonly openBlob: OpenBlob | undefined
  readonly random: () => number
}

export type ProbeAsk = {
  /** The host's address. */
  readonly url: string
  readonly blob: { readonly digest: Digest; readonly sizeBytes: number }
  /** `?t=…` as the client would bring it, or ''. */
  readonly query: string
  readonly family: 4 | 6
  readonly userAgent: string
  readonly timeoutMs: number
}

/** isHostWide: what failed would fail for every other blob as well. */
export type ProbeTrouble = { readonly isGood: false; readonly isHostWide: boolean; readonly reason: string }
export type ProbeVerdict = { readonly isGood: true } | ProbeTrouble

const blockBytes = 256
const bad = (isHostWide: boolean, reason: string): ProbeTrouble => ({ isGood: false, isHostWide, reason })

async function collect(stream: ReadableStream<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  for await (const chunk of stream) chunks.push(chunk)
  return Buffer.concat(chunks)
}

async function knownBytes(
  openBlob: OpenBlob | undefined,
  digest: Digest,
  range: ByteRange,
): Promise<Buffer | undefined> {
  const body = await openBlob?.(digest, range)
  if (!body) return undefined
  await using _ = body
  return await collect(body.stream())
}

/** A host never makes this throw. */
export async function probeBlock(parts: ProbeParts, ask: ProbeAsk): Promise<ProbeVerdict> {
  const { digest, sizeBytes } = ask.blob
  const length = Math.min(blockBytes, sizeBytes)
  const first = Math.floor(parts.random() * (sizeBytes - length + 1))
  const range = { first, last: first + length - 1 }
  // What we cannot read ourselves is no fault of the host.
  const known = knownBytes(parts.openBlob, digest, range).catch(() => undefined)
  try {
    const { timeoutMs, family, userAgent } = ask
    const answer = await parts.outbound.send({
      url: `${ask.url}/${blobPath(digest)}${ask.query}`,
      headers: { range: `bytes=${range.first}-${range.last}`, 'user-agent': userAgent },
      family,
      totalMs: timeoutMs,
      idleMs: timeoutMs,
      maxBodyBytes: length,
      // Not even to ourselves: a host that sends a miss back would be proven by our own bytes.
      redirects: 0,
    })
    const trouble = troubleOf(answer, `bytes ${range.first}-${range.last}/${sizeBytes}`, length)
    if (trouble) {
      await answer.body.cancel()
      return trouble
    }
    const bytes = await collect(answer.body)
    if (bytes.length !== length) return wrongLength(bytes.length, length)
    const expected = await known
    if (expected && !expected.equals(bytes)) return bad(false, `has other bytes at ${range.first}`)
    return { isGood: true }
  } catch (error) {
    return bad(true, error instanceof Error ? error.message : String(error))
  }
}

const wrongLength = (sent: string | number, length: number) =>
  bad(true, `sent ${sent} of the ${length} bytes of a range`)

export type Head = { readonly status: number; header(name: string): string | undefined }

/** What is wrong with the head of an answer to a range. */
export function troubleOf(answer: Head, contentRange: string, length: number): ProbeTrouble | undefined {
  const { status } = answer
  if (status === 404 || status === 410) return bad(false, `answered ${status}`)
  if (status === 200) return bad(true, 'ignored the range and answered 200')
  if (status !== 206) return bad(status >= 500 || status === 429, `answered ${status} instead of 206`)
  const encoding = answer.header('content-encoding')
  if (encoding !== undefined && encoding !== 'identity') return bad(true, `encoded the bytes as ${encoding}`)
  const actual = answer.header('content-range')
  if (actual !== contentRange)
    return bad(false, `answered the range ${actual ?? 'without saying which'}, not ${contentRange}`)
  const said = answer.header('content-length')
  if (said !== undefined && said !== String(length)) return wrongLength(said, length)
  return undefined
}
