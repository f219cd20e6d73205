// The other side: a published tree behind http or https. Nothing it says is believed further than it has to be: no redirects
// to elsewhere, no encodings, no waiting for ever, and no more bytes than asked for.

import { ReplicateError } from './replicate-error.ts'

export type Fetch = (
  url: string,
  init: { headers: Record<string, string>; redirect: 'manual'; signal: AbortSignal },
) => Promise<Response>

export type SourceOptions = {
  /** The tree's address, http or https. */
  readonly from: string
  readonly fetch: Fetch
  /** An answer that brings fewer than `leastBytes` in this time is cut off. */
  readonly stallMs: number
  readonly leastBytes: number
  readonly userAgent: string
}

export type SourceAnswer = {
  readonly status: number
  readonly headers: Headers
  /** To be read once; ends with an error when the other side stalls or hangs up early. */
  readonly chunks: AsyncGenerator<Uint8Array>
  /** Gives up the rest of the body: needed wherever `chunks` is not read. */
  discard(): void
}

/** Worth another try: the network, or a server that is overloaded. */
export class SourceInterrupted extends Error {
  override readonly name = 'SourceInterrupted'
}

const maxRedirects = 3
const redirectStatuses = new Set([301, 302, 303, 307, 308])

/** The address without the slashes at its end; throws what a person has to change. */
export function parseSourceUrl(text: string): string {
  const url = URL.parse(text)
  if (!url || (url.protocol !== 'http:' && url.protocol !== 'https:'))
    throw new Error(`not an http or https address: ${text}`)
  if (url.username || url.password) throw new Error('an address with a user name or password in it is not supported')
  if (url.search || url.hash) throw new Error('the address of a tree has neither a query nor a fragment')
  return url.href.replace(/\/+$/, '')
}

export class TreeSource {
  readonly url: string
  readonly #options: SourceOptions

  constructor(options: SourceOptions) {
    this.url = parseSourceUrl(options.from)
    this.#options = options
  }

  /** Asks for a file of the tree. Throws SourceInterrupted when it is worth another try, ReplicateError when not. */
  async get(path: string, headers: Record<string, string>, stop: AbortSignal): Promise<SourceAnswer> {
    const cut = new AbortController()
    const onStop = () => cut.abort(stop.reason)
    stop.addEventListener('abort', onStop, { once: true })
    const release = () => stop.removeEventListener('abort', onStop)
    try {
      stop.throwIfAborted()
      const response = await this.#follow(`${this.url}/${path}`, headers, cut)
      const encoding = response.headers.get('content-encoding')
      if (encoding !== null && encoding !== 'identity') {
        cut.abort()
        throw new ReplicateError(
          'source',
          `${path} came with Content-Encoding ${encoding}: the server must send files as they are`,
        )
      }
      const chunks = this.#read(path, response, cut, release)
      const discard = () => {
        release()
        cut.abort()
      }
      return { status: response.status, headers: response.headers, chunks, discard }
    } catch (error) {
      release()
      throw this.#explain(path, error, stop)
    }
  }

  async #follow(url: string, headers: Record<string, string>, cut: AbortController): Promise<Response> {
    const { fetch, stallMs, userAgent } = this.#options
    for (let hops = 0; hops <= maxRedirects; hops++) {
      const timer = setTimeout(() => cut.abort(new SourceInterrupted(`no answer within ${stallMs} ms`)), stallMs)
      const sent = { 'accept-encoding': 'identity', 'user-agent': userAgent, ...headers }
      const response = await fetch(url, { headers: sent, redirect: 'manual', signal: cut.signal }).finally(() =>
        clearTimeout(timer),
      )
      if (!redirectStatuses.has(response.status)) return response
      await response.body?.cancel()
      const location = response.headers.get('location')
      const target = location === null ? null : URL.parse(location, url)
      if (target?.origin !== new URL(this.url).origin) {
        throw new ReplicateError('source', `${url} redirects elsewhere, to ${target?.href ?? 'nowhere'}`)
      }
      url = target.href
    }
    throw new ReplicateError('source', `more than ${maxRedirects} redirects from ${url}`)
  }

  async *#read(
    path: string,
    response: Response,
    cut: AbortController,
    release: () => void,
  ): AsyncGenerator<Uint8Array> {
    const reader = response.body?.getReader()
    let isWhole = reader === undefined
    try {
      const steady = reader && new SteadyReader(reader, cut, this.#options)
      for (let chunk = await steady?.read(); chunk; chunk = await steady?.read()) yield chunk
      isWhole = true
    } catch (error) {
      throw this.#explain(path, error, cut.signal)
    } finally {
      release()
      // A body that is not read to its end would keep its connection busy.
      if (!isWhole) cut.abort()
    }
  }

  #explain(path: string, error: unknown, signal: AbortSignal): unknown {
    if (error instanceof ReplicateError || error instanceof SourceInterrupted) return error
    if (signal.aborted && signal.reason instanceof Error) return signal.reason
    const what = error instanceof Error ? error.message.replace(/ ?For more information.*$/, '') : String(error)
    return new SourceInterrupted(`${this.url}/${path}: ${what}`, { cause: error })
  }
}

type Reader = { read(): Promise<{ readonly done: boolean; readonly value?: Uint8Array | undefined }> }

/** Counts only the time spent waiting for the other side, so that a slow disk here is not blamed on it. */
class SteadyReader {
  readonly #reader: Reader
  readonly #cut: AbortController
  readonly #options: SourceOptions
  #waitedMs = 0
  #bytes = 0

  constructor(reader: Reader, cut: AbortController, options: SourceOptions) {
    this.#reader = reader
    this.#cut = cut
    this.#options = options
  }

  async read(): Promise<Uint8Array | undefined> {
    const startedMs = performance.now()
    const timer = setTimeout(() => this.#cut.abort(this.#tooSlow()), this.#options.stallMs)
    try {
      const { done, value } = await this.#reader.read()
      if (done || !value) return undefined
      this.#bytes += value.length
      this.#waitedMs += performance.now() - startedMs
      if (this.#waitedMs > this.#options.stallMs) this.#startWindow()
      return value
    } catch (error) {
      throw this.#cut.signal.aborted ? this.#cut.signal.reason : error
    } finally {
      clearTimeout(timer)
    }
  }

  #startWindow(): void {
    if (this.#bytes < this.#options.leastBytes) throw this.#tooSlow()
    this.#bytes = 0
    this.#waitedMs = 0
  }

  #tooSlow(): SourceInterrupted {
    const { leastBytes, stallMs } = this.#options
    return new SourceInterrupted(`the server stalled: fewer than ${leastBytes} bytes in ${stallMs} ms`)
  }
}
