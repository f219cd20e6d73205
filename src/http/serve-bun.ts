// Bun.serve as a listener of Asks and Answers: origin and api use it, since it sends files from the kernel.
// Bun's idle timeout would cut slow live requests, so it is off while one is read and worked on; the stall timer runs instead.

import { dispose } from '#http/wire/send-body.ts'
import { type Answer, type Ask, answerError } from './answer.ts'
import { type Handler, isStored, type Listener, type ListenOptions, plainPeer, type TlsFiles } from './listener.ts'
import { withStallTimer } from './stall-timer.ts'

class BunAsk implements Ask {
  readonly method: string
  readonly path: string
  readonly query: string
  readonly peer: string
  readonly isTls: boolean
  readonly body: AsyncIterable<Uint8Array> | undefined
  readonly #request: Request
  readonly #headers: Headers

  constructor(request: Request, peer: string, isTls: boolean, stallMs: number) {
    this.#request = request
    this.#headers = request.headers
    this.method = request.method
    this.peer = peer
    this.isTls = isTls
    this.body = request.body ? withStallTimer(request.body, stallMs) : undefined
    // With a missing or malformed Host header Bun leaves a bare path, so the authority is skipped only when it is there.
    const url = request.url
    const scheme = url.startsWith('/') ? -1 : url.indexOf('://')
    const start = scheme < 0 ? 0 : url.indexOf('/', scheme + 3)
    const question = url.indexOf('?', start)
    this.path = question < 0 ? url.slice(start) : url.slice(start, question)
    this.query = question < 0 ? '' : url.slice(question + 1)
  }

  get gone(): AbortSignal {
    return this.#request.signal
  }

  header(name: string): string | undefined {
    return this.#headers.get(name) ?? undefined
  }
}

function toResponse(answer: Answer, method: string): Response {
  const headers = new Headers()
  for (const name in answer.headers) {
    const value = answer.headers[name]!
    if (typeof value === 'string') headers.set(name, value)
    else for (const one of value) headers.append(name, one)
  }
  const { body, status } = answer
  if (method === 'HEAD' || body === undefined) {
    dispose(body)
    if (answer.contentLength !== undefined) headers.set('content-length', String(answer.contentLength))
    return new Response(null, { status, headers })
  }
  if (!isStored(body)) return new Response(body as string | Uint8Array<ArrayBuffer>, { status, headers })
  if (!body.file) {
    headers.set('content-length', String(body.sizeBytes))
    return new Response(body.stream(), { status, headers })
  }
  dispose(body)
  const { path, first } = body.file
  return new Response(Bun.file(path).slice(first, first + body.sizeBytes), { status, headers })
}

/** Of a connection that waits for its next request. */
const defaultIdleSeconds = 60

export type FetchHandler = (request: Request, peer: string) => Response | Promise<Response>

/** A listener of web-standard requests, for the control API and its pages. */
export function listenFetch(fetch: FetchHandler, options: ListenOptions): Listener {
  const { idleSeconds = defaultIdleSeconds } = options
  const start = (port: number, tls: TlsFiles | undefined) =>
    Bun.serve({
      hostname: options.host,
      port,
      reusePort: tls !== undefined,
      maxRequestBodySize: options.maxBodyBytes ?? Number.MAX_SAFE_INTEGER,
      idleTimeout: idleSeconds,
      // Otherwise it prints source code beside each answer that is broken off.
      development: false,
      ...(tls && { tls: { cert: Bun.file(tls.cert), key: Bun.file(tls.key) } }),
      async fetch(request, server) {
        server.timeout(request, 0)
        try {
          return await fetch(request, plainPeer(server.requestIP(request)?.address))
        } catch (error) {
          return toResponse(answerError(error, options.log), request.method)
        } finally {
          // It stays with the connection: left off, one whose client is gone without a word would stay open for ever.
          server.timeout(request, idleSeconds)
        }
      },
    })
  let server = start(options.port, options.tls)
  const port = server.port!
  const drain = async (old: typeof server, graceMs: number) => {
    let timer: Timer | undefined
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, graceMs)
    })
    await Promise.race([old.stop(false), late])
    clearTimeout(timer)
    await old.stop(true)
  }
  return {
    host: options.host,
    port,
    async replaceCertificate(tls) {
      const old = server
      server = start(port, tls)
      await drain(old, options.stallMs)
    },
    stop: (graceMs) => drain(server, graceMs),
  }
}

export function listen(handler: Handler, options: ListenOptions): Listener {
  const isTls = options.tls !== undefined
  return listenFetch(async (request, peer) => {
    const answer = await handler(new BunAsk(request, peer, isTls, options.stallMs))
    return toResponse(answer, request.method)
  }, options)
}
