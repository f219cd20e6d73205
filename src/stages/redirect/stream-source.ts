// One place from which the rest of a blob is read: a host, the tree on this machine, or the origin over the network. Each fails in its
// own words; whoever reads goes on at the next one.
import type { OutboundClient } from '#http/outbound/outbound-client.ts'
import type { Digest } from '#oci/digest.ts'
import type { Candidate } from '#snapshots/index-placement.ts'
import type { OpenBlob } from './own-blobs.ts'
import { troubleOf } from './probe-block.ts'

export type StreamedBytes = {
  /** Undefined at the end. Throws SourceFailed. */
  next(): Promise<Uint8Array | undefined>
  /** Breaks it off; no error comes of it. */
  close(): void
}

export type StreamSource = {
  /** Undefined: our own, whose bytes are right. */
  readonly host: Candidate | undefined
  /** From the byte `first` to the blob's end; `gone` breaks it off. Throws SourceFailed. */
  open(first: number, gone: AbortSignal): Promise<StreamedBytes>
}

export class SourceFailed extends Error {
  override readonly name = 'SourceFailed'
  /** It would fail for every other blob as well. */
  readonly isHostWide: boolean

  constructor(isHostWide: boolean, reason: string, cause?: unknown) {
    super(reason, cause === undefined ? undefined : { cause })
    this.isHostWide = isHostWide
  }
}

export type SourceLimits = {
  /** For the head of an answer. */
  readonly firstByteMs: number
  /** Without any byte while one is waited for. */
  readonly stallMs: number
  /** In each `stallMs` of waiting; less is as good as nothing. */
  readonly leastBytes: number
}

type Blob = { readonly digest: Digest; readonly sizeBytes: number }

/** Longer than any transfer; a client that takes its time holds its host as long. */
const totalMs = 86_400_000

export type RemoteSource = {
  readonly outbound: Pick<OutboundClient, 'send'>
  readonly host: Candidate | undefined
  /** With the query that a client would bring. */
  readonly url: string
  readonly blob: Blob
  readonly userAgent: string | undefined
  readonly limits: SourceLimits
}

/** A host or the origin: one range up to the end, as a client would ask for it. */
export function remoteSource({ outbound, host, url, blob, userAgent, limits }: RemoteSource): StreamSource {
  return {
    host,
    async open(first, gone) {
      const last = blob.sizeBytes - 1
      const length = blob.sizeBytes - first
      const cut = new AbortController()
      const stop = () => cut.abort()
      const late = setTimeout(stop, limits.firstByteMs)
      gone.addEventListener('abort', stop, { once: true })
      try {
        const answer = await outbound.send({
          url,
          headers: { range: `bytes=${first}-${last}`, ...(userAgent !== undefined && { 'user-agent': userAgent }) },
          totalMs,
          idleMs: limits.stallMs,
          maxBodyBytes: length,
          // Not even to ourselves: we have better sources than what a host does not have.
          redirects: 0,
          signal: cut.signal,
        })
        const trouble = troubleOf(answer, `bytes ${first}-${last}/${blob.sizeBytes}`, length)
        if (!trouble) return new RemoteBytes(answer.body, length, limits)
        await answer.body.cancel()
        throw new SourceFailed(trouble.isHostWide, trouble.reason)
      } catch (error) {
        if (error instanceof SourceFailed) throw error
        if (cut.signal.aborted) throw new SourceFailed(true, `no answer within ${limits.firstByteMs} ms`)
        throw failedBy(error)
      } finally {
        clearTimeout(late)
        gone.removeEventListener('abort', stop)
      }
    },
  }
}

export function treeSource(openBlob: OpenBlob, { digest, sizeBytes }: Blob): StreamSource {
  return {
    host: undefined,
    async open(first) {
      const body = await openBlob(digest, { first, last: sizeBytes - 1 }).catch((error) => {
        throw failedBy(error)
      })
      if (!body) throw new SourceFailed(false, 'the blob is not here')
      const reader = body.stream().getReader()
      const close = () => {
        void reader.cancel().catch(() => undefined)
        Promise.resolve(body[Symbol.asyncDispose]()).catch(() => undefined)
      }
      return {
        async next() {
          const { done, value } = await reader.read().catch((error) => {
            throw failedBy(error)
          })
          return done ? undefined : value
        },
        close,
      }
    },
  }
}

function failedBy(error: unknown): SourceFailed {
  return new SourceFailed(true, error instanceof Error ? error.message : String(error), error)
}

type Reader = {
  read(): Promise<{ readonly done: boolean; readonly value?: Uint8Array | undefined }>
  cancel(): Promise<void>
}

/** A body that must be whole, and must come at more than a trickle while somebody waits for it. */
class RemoteBytes implements StreamedBytes {
  readonly #reader: Reader
  readonly #limits: SourceLimits
  #leftBytes: number
  #waitedMs = 0
  #cameBytes = 0

  constructor(body: ReadableStream<Uint8Array>, bytes: number, limits: SourceLimits) {
    this.#reader = body.getReader()
    this.#leftBytes = bytes
    this.#limits = limits
  }

  async next(): Promise<Uint8Array | undefined> {
    const startedAt = performance.now()
    const { done, value } = await this.#reader.read().catch((error) => {
      throw failedBy(error)
    })
    if (done || !value) {
      if (this.#leftBytes > 0) throw new SourceFailed(true, `ended ${this.#leftBytes} bytes early`)
      return undefined
    }
    this.#leftBytes -= value.length
    this.#watchPace(performance.now() - startedAt, value.length)
    return value
  }

  #watchPace(ms: number, bytes: number): void {
    this.#waitedMs += ms
    this.#cameBytes += bytes
    const { stallMs, leastBytes } = this.#limits
    if (this.#waitedMs < stallMs) return
    if (this.#cameBytes < leastBytes && this.#leftBytes > 0)
      throw new SourceFailed(true, `only ${this.#cameBytes} bytes came in ${Math.round(this.#waitedMs)} ms`)
    this.#waitedMs = 0
    this.#cameBytes = 0
  }

  /** One that came whole is read to its end, so that its connection can be kept. */
  close(): void {
    const cancel = () => this.#reader.cancel()
    const closed =
      this.#leftBytes > 0 ? cancel() : this.#reader.read().then(({ done }) => (done ? undefined : cancel()))
    void closed.catch(() => undefined)
  }
}
