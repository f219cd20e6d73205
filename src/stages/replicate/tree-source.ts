// The other side: a published tree behind http or https. Nothing it says is believed further than it has to be: no redirects
// to elsewhere, no encodings, no dripping. Time without bytes, headers and addresses are limited by the outbound client.

import type { OutboundClient } from '#http/outbound/outbound-client.ts'
import { OutboundError, type OutboundTrouble } from '#http/outbound/outbound-error.ts'
import { ReplicateError } from './replicate-error.ts'

export type Client = Pick<OutboundClient, 'send'>

export type SourceOptions = {
  /** The tree's address, http or https. */
  readonly from: string
  /** An answer that brings fewer than `leastBytes` in this time is cut off. */
  readonly stallMs: number
  readonly leastBytes: number
}

export type SourceAnswer = {
  readonly status: number
  header(name: string): string | undefined
  /** To be read once; ends with an error when the other side stalls or hangs up early. */
  readonly chunks: AsyncGenerator<Uint8Array>
  /** Gives up the rest of the body: needed wherever `chunks` is not read. */
  discard(): Promise<void>
}

/** Worth another try: the network, or a server that is overloaded. */
export class SourceInterrupted extends Error {
  override readonly name = 'SourceInterrupted'
}

const maxRedirects = 3
const redirectStatuses: ReadonlySet<number> = new Set([301, 302, 303, 307, 308])
/** What another try cannot change. */
const lasting: ReadonlySet<OutboundTrouble> = new Set(['guard', 'tls', 'redirects'])
/** The end of any exchange; what really ends one is the pace it must keep. */
const longestMs = 7 * 24 * 3_600_000

/** The address without the slashes at its end; throws what a person has to change. */
export function parseSourceUrl(text: string): string {
  const url = URL.parse(text)
  if (url?.protocol !== 'http:' && url?.protocol !== 'https:') throw new Error(`not an http or https address: ${text}`)
  if (url.username || url.password) throw new Error('an address with a user name or password in it is not supported')
  if (url.search || url.hash) throw new Error('the address of a tree has neither a query nor a fragment')
  return url.href.replace(/\/+$/, '')
}

export class TreeSource {
  readonly url: string
  readonly #client: Client
  readonly #options: SourceOptions

  constructor(options: SourceOptions, client: Client) {
    this.url = parseSourceUrl(options.from)
    this.#client = client
    this.#options = options
  }

  /** Asks for a file of the tree. Throws SourceInterrupted when it is worth another try, ReplicateError when not. */
  async get(path: string, headers: Record<string, string>, stop: AbortSignal): Promise<SourceAnswer> {
    const answer = await this.#follow(`${this.url}/${path}`, headers, stop).catch((error) => explain(error, stop))
    const encoding = answer.header('content-encoding')
    if (encoding !== undefined && encoding !== 'identity') {
      await answer.body.cancel()
      const advice = 'the server must send files as they are'
      throw new ReplicateError('source', `${path} came with Content-Encoding ${encoding}: ${advice}`)
    }
    return {
      status: answer.status,
      header: (name) => answer.header(name),
      chunks: this.#read(path, answer.body, stop),
      discard: () => answer.body.cancel(),
    }
  }

  async #follow(url: string, headers: Record<string, string>, signal: AbortSignal) {
    const idleMs = this.#options.stallMs
    const limits = { totalMs: longestMs, idleMs, maxBodyBytes: Number.MAX_SAFE_INTEGER, redirects: 0 }
    for (let hops = 0; hops <= maxRedirects; hops++) {
      const answer = await this.#client.send({ url, headers, signal, ...limits })
      if (!redirectStatuses.has(answer.status)) return answer
      await answer.body.cancel()
      const location = answer.header('location')
      const target = location === undefined ? null : URL.parse(location, url)
      if (target?.origin !== new URL(this.url).origin) {
        throw new ReplicateError('source', `${url} redirects elsewhere, to ${target?.href ?? 'nowhere'}`)
      }
      url = target.href
    }
    throw new ReplicateError('source', `more than ${maxRedirects} redirects from ${url}`)
  }

  /** Counts only the time spent waiting for the other side, so that a slow disk here is not blamed on it. */
  async *#read(path: string, body: ReadableStream<Uint8Array>, stop: AbortSignal): AsyncGenerator<Uint8Array> {
    const { stallMs, leastBytes } = this.#options
    const reader = body.getReader()
    let [waitedMs, bytes] = [0, 0]
    try {
      for (;;) {
        const startedMs = performance.now()
        const { done, value } = await reader.read()
        if (done) return
        waitedMs += performance.now() - startedMs
        bytes += value.length
        if (waitedMs > stallMs) {
          if (bytes < leastBytes) {
            throw new SourceInterrupted(`${path} drips: ${bytes} bytes in ${Math.round(waitedMs)} ms`)
          }
          waitedMs = bytes = 0
        }
        yield value
      }
    } catch (error) {
      explain(error, stop)
    } finally {
      await reader.cancel().catch(() => undefined)
    }
  }
}

function explain(error: unknown, stop: AbortSignal): never {
  if (stop.aborted) throw stop.reason
  if (!(error instanceof OutboundError)) throw error
  if (lasting.has(error.kind)) throw new ReplicateError('source', error.message, { cause: error })
  throw new SourceInterrupted(error.message, { cause: error })
}
