// One upstream: a published tree behind http or https. Nothing it says is believed further than it has to be: no encodings, no
// dripping, no redirects to elsewhere, but for a blob, which its digest proves. Time without bytes, headers and addresses are limited by
// the outbound client.

import type { OutboundClient, OutboundRequest } from '#http/outbound/outbound-client.ts'
import { OutboundError, type OutboundTrouble } from '#http/outbound/outbound-error.ts'
import type { OutboundResponse } from '#http/outbound/send-request.ts'
import { parseTreePath } from '#snapshots/tree-path.ts'
import { ReplicateError } from './replicate-error.ts'
import { HostFailed, SourceBusy, SourceInterrupted } from './source-trouble.ts'

export type Client = Pick<OutboundClient, 'send'>

export type SourceOptions = {
  /** An answer that brings fewer than `leastBytes` in this time is cut off. */
  readonly stallMs: number
  readonly leastBytes: number
  /** Speaks only this family. */
  readonly family: 4 | 6 | undefined
}

export type SourceTools = {
  /** For the addresses that were given. */
  readonly client: Client
  /** For those that a source redirects to. */
  readonly hostClient: Client
  /** What each source is told of us. */
  readonly headers: Readonly<Record<string, string>>
}

/** A host that a source redirected to: `name` by its own header, else by its address. */
export type RedirectHost = { readonly name: string; readonly url: string }

export type SourceAnswer = {
  readonly status: number
  header(name: string): string | undefined
  /** Who sent it, when it was not the source. */
  readonly host: RedirectHost | undefined
  /** To be read once; ends with an error when the other side stalls or hangs up early. */
  readonly chunks: AsyncGenerator<Uint8Array>
  /** Gives up the rest of the body: needed wherever `chunks` is not read. */
  discard(): Promise<void>
}

const maxRedirects = 3
const maxAvoided = 8
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
  readonly #origin: string
  readonly #tools: SourceTools
  readonly #options: SourceOptions
  /** Hosts that it is not to redirect us to any more. */
  readonly #avoided = new Set<string>()

  constructor(url: string, options: SourceOptions, tools: SourceTools) {
    this.url = parseSourceUrl(url)
    this.#origin = new URL(this.url).origin
    this.#options = options
    this.#tools = tools
  }

  /** For the rest of the run; of many the newest. */
  avoid(name: string): void {
    this.#avoided.add(name)
    const [oldest] = this.#avoided
    if (this.#avoided.size > maxAvoided) this.#avoided.delete(oldest!)
  }

  /** Asks for a file of the tree. Throws SourceInterrupted when it is worth another try, HostFailed when it was no fault of the source,
   *  ReplicateError when nothing helps. */
  async get(path: string, headers: Record<string, string>, stop: AbortSignal): Promise<SourceAnswer> {
    const { answer, host } = await this.#follow(path, headers, stop)
    const encoding = answer.header('content-encoding')
    if (encoding !== undefined && encoding !== 'identity') {
      await answer.body.cancel()
      const said = `${path} came with Content-Encoding ${encoding}: the server must send files as they are`
      throw host ? new HostFailed(host, `${host.url}: ${said}`) : new ReplicateError('source', said)
    }
    return {
      status: answer.status,
      header: (name) => answer.header(name),
      host,
      chunks: this.#read(path, answer.body, host, stop),
      discard: () => answer.body.cancel(),
    }
  }

  async #follow(path: string, headers: Record<string, string>, signal: AbortSignal) {
    let url = `${this.url}/${path}`
    let host: RedirectHost | undefined
    for (let hops = 0; hops <= maxRedirects; hops++) {
      const answer = await this.#send(url, headers, host, signal)
      if (!redirectStatuses.has(answer.status)) return { answer, host }
      await answer.body.cancel()
      const location = answer.header('location')
      const target = location === undefined ? null : URL.parse(location, url)
      if (!target || (target.origin !== this.#origin && parseTreePath(path)?.kind !== 'blob')) {
        throw new ReplicateError('source', `${url} redirects elsewhere, to ${target?.href ?? 'nowhere'}`)
      }
      const from = URL.parse(url)!
      if (target.origin !== this.#origin)
        host = { name: answer.header('flotilla-host') ?? host?.name ?? target.host, url: target.origin }
      if (from.protocol === 'https:' && target.protocol === 'http:')
        throw new HostFailed(host!, `${url} redirects from https to ${target.href}`)
      url = target.href
    }
    throw new ReplicateError('source', `more than ${maxRedirects} redirects from ${url}`)
  }

  /** A host is told nothing of us, and is not asked through the door that private addresses of our own are let in by. */
  async #send(url: string, headers: Record<string, string>, host: RedirectHost | undefined, signal: AbortSignal) {
    const { stallMs, family } = this.#options
    const limits = { totalMs: longestMs, idleMs: stallMs, maxBodyBytes: Number.MAX_SAFE_INTEGER, redirects: 0, family }
    const ask: OutboundRequest = { url, headers, signal, ...limits }
    try {
      if (host) return await this.#tools.hostClient.send(ask)
      const avoided = this.#avoided.size > 0 ? { 'flotilla-avoid': [...this.#avoided].join(', ') } : {}
      return await this.#tools.client.send({ ...ask, headers: { ...this.#tools.headers, ...avoided, ...headers } })
    } catch (error) {
      throw explain(error, host, signal)
    }
  }

  /** Counts only the time spent waiting for the other side, so that a slow disk here is not blamed on it. */
  async *#read(
    path: string,
    body: OutboundResponse['body'],
    host: RedirectHost | undefined,
    stop: AbortSignal,
  ): AsyncGenerator<Uint8Array> {
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
          const said = `${path} drips: ${bytes} bytes in ${Math.round(waitedMs)} ms`
          if (bytes < leastBytes) throw host ? new HostFailed(host, said) : new SourceInterrupted(said)
          waitedMs = bytes = 0
        }
        yield value
      }
    } catch (error) {
      throw explain(error, host, stop)
    } finally {
      await reader.cancel().catch(() => undefined)
    }
  }
}

function explain(error: unknown, host: RedirectHost | undefined, stop: AbortSignal): unknown {
  if (stop.aborted) return stop.reason
  if (!(error instanceof OutboundError)) return error
  if (host) {
    const advice = error.kind === 'guard' ? '; --allow-private lets it' : ''
    return new HostFailed(host, `redirected to ${host.url}: ${error.message}${advice}`, { cause: error })
  }
  if (lasting.has(error.kind)) return new ReplicateError('source', error.message, { cause: error })
  return new SourceInterrupted(error.message, { cause: error })
}

/** What a status says that is not the file: later, elsewhere, or never. `at`: where the file was to be gone on with. */
export function troubleOf(file: string, answer: SourceAnswer): Error {
  const { status, host } = answer
  const said = `${host ? `${host.url}: ` : ''}${file}: status ${status}`
  if (host) return new HostFailed(host, said)
  const retryAfterMs = status === 503 || status === 429 ? parseRetryAfter(answer.header('retry-after')) : undefined
  if (retryAfterMs !== undefined) return new SourceBusy(said, retryAfterMs)
  if (status >= 500 || status === 429 || status === 408) return new SourceInterrupted(said)
  return new ReplicateError('source', said)
}

/** Seconds only: a date would depend on two clocks. Never at once, or a source that says so would be asked in a circle. */
function parseRetryAfter(text: string | undefined): number | undefined {
  return text !== undefined && /^[0-9]{1,6}$/.test(text.trim()) ? Math.max(1, Number(text)) * 1000 : undefined
}
