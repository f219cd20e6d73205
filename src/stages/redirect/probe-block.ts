// The digest proof: one block of the blob from the host, asked for as a client would, and compared with what is known of it here. It
// shows what a HEAD hides: hung bodies, ignored ranges, encodings, other sizes, other bytes.
import { readAll } from '#http/outbound/body-stream.ts'
import type { OutboundClient } from '#http/outbound/outbound-client.ts'
import { blobPath, type Digest } from '#oci/digest.ts'
import { type BlockSources, chooseBlock, type Judgement } from './known-block.ts'

export type ProbeParts = BlockSources & { readonly outbound: Pick<OutboundClient, 'send'> }

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

/** isHostWide: what failed would fail for every other blob as well. isDisputed: unless our own bytes are the wrong ones. */
export type ProbeTrouble = {
  readonly isGood: false
  readonly isHostWide: boolean
  readonly isDisputed: boolean
  readonly reason: string
}

export type ProbeVerdict =
  /** isCompared: false where nothing here tells what the bytes must be: then the shape of the answer is all that is proven. */
  { readonly isGood: true; readonly isCompared: boolean } | ProbeTrouble

const bad = (isHostWide: boolean, reason: string, isDisputed = false): ProbeTrouble => {
  return { isGood: false, isHostWide, isDisputed, reason }
}

/** A host never makes this throw. */
export async function probeBlock(parts: ProbeParts, ask: ProbeAsk): Promise<ProbeVerdict> {
  const { digest, sizeBytes } = ask.blob
  const block = await chooseBlock(parts, ask.blob)
  const { first, last } = block.range
  const length = last - first + 1
  try {
    const { timeoutMs, family, userAgent } = ask
    const answer = await parts.outbound.send({
      url: `${ask.url}/${blobPath(digest)}${ask.query}`,
      headers: { range: `bytes=${first}-${last}`, 'user-agent': userAgent, 'accept-encoding': 'identity' },
      family,
      totalMs: timeoutMs,
      idleMs: timeoutMs,
      maxBodyBytes: length,
      // Not even to ourselves: a host that sends a miss back would be proven by our own bytes.
      redirects: 0,
    })
    const trouble = troubleOf(answer, `bytes ${first}-${last}/${sizeBytes}`, length)
    if (trouble) {
      await answer.body.cancel()
      return trouble
    }
    const bytes = await readAll(answer.body)
    if (bytes.length !== length) return wrongLength(bytes.length, length)
    return verdictOf(await block.judge(bytes), first)
  } catch (error) {
    return bad(true, error instanceof Error ? error.message : String(error))
  }
}

function verdictOf(judgement: Judgement, first: number): ProbeVerdict {
  if (judgement === 'right') return { isGood: true, isCompared: true }
  if (judgement === 'unknown') return { isGood: true, isCompared: false }
  return bad(false, `has other bytes at ${first}`, judgement === 'disputed')
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
