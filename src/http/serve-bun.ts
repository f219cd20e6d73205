// Bun.serve as a listener of Asks and Answers: registry, origin and api use it. The front door has its own reader (wire/).
// Bun's idle timeout would cut slow live uploads and held requests, so it is off per request and a stall timer of ours runs instead.

import { type Answer, type Ask, answerError, type StoredBody } from './answer.ts'

export type TlsFiles = { readonly cert: string; readonly key: string }

export type ListenOptions = {
  readonly host: string
  readonly port: number
  readonly tls?: TlsFiles | undefined
  /** A body that brings no byte for this long ends the connection. */
  readonly stallMs: number
  readonly log: (error: unknown) => void
}

export type Listener = {
  readonly host: string
  readonly port: number
  /** Opens a second listener on the same port with new certificate files, then drains the first. */
  replaceCertificate(tls: TlsFiles): Promise<void>
  /** Stops accepting, lets running requests finish for `graceMs`, then closes. */
  stop(graceMs: number): Promise<void>
}

export type Handler = (ask: Ask) => Answer | Promise<Answer>

const mapped = '::ffff:'

class BunAsk implements Ask {
  readonly method: string
  readonly path: string
  readonly query: string
  readonly isTls: boolean
  readonly #request: Request
  readonly #peer: string
  readonly #body: ReadableStream<Uint8Array> | undefined

  constructor(request: Request, peer: string, isTls: boolean, body: ReadableStream<Uint8Array> | undefined) {
    this.#request = request
    this.#peer = peer
    this.#body = body
    this.method = request.method
    this.isTls = isTls
    // With a missing or malformed Host header Bun leaves a bare path, so the authority is skipped only when it is there.
    const url = request.url
    const scheme = url.startsWith('/') ? -1 : url.indexOf('://')
    const start = scheme < 0 ? 0 : url.indexOf('/', scheme + 3)
    const question = url.indexOf('?', start)
    this.path = question < 0 ? url.slice(start) : url.slice(start, question)
    this.query = question < 0 ? '' : url.slice(question + 1)
  }

  get peer(): string {
    return this.#peer
  }

  get body(): ReadableStream<Uint8Array> | undefined {
    return this.#body
  }

  header(name: string): string | undefined {
    return this.#request.headers.get(name) ?? undefined
  }
}

function isStored(body: Answer['body']): body is StoredBody {
  return typeof body === 'object' && 'stream' in body
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
    if (isStored(body)) void body[Symbol.asyncDispose]()
    if (answer.contentLength !== undefined) headers.set('content-length', String(answer.contentLength))
    return new Response(null, { status, headers })
  }
  if (!isStored(body)) return new Response(body as string | Uint8Array<ArrayBuffer>, { status, headers })
  if (!body.file) {
    headers.set('content-length', String(body.sizeBytes))
    return new Response(body.stream(), { status, headers })
  }
  void body[Symbol.asyncDispose]()
  const { path, first } = body.file
  return new Response(Bun.file(path).slice(first, first + body.sizeBytes), { status, headers })
}

/** Ends the request when no chunk came for `stallMs`, so that a slow live body lives and a dead one does not. */
function withStallTimer(body: ReadableStream<Uint8Array>, stallMs: number): ReadableStream<Uint8Array> {
  const reader = body.getReader()
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        let timer: Timer | undefined
        const stalled = new Promise<never>((_, reject) => {
          timer = setTimeout(() => reject(new Error(`no byte of the body for ${stallMs} ms`)), stallMs)
        })
        try {
          const { done, value } = await Promise.race([reader.read(), stalled])
          if (done) controller.close()
          else controller.enqueue(value)
        } catch (error) {
          await reader.cancel().catch(() => undefined)
          controller.error(error)
        } finally {
          clearTimeout(timer)
        }
      },
      cancel: (reason) => reader.cancel(reason),
    },
    { highWaterMark: 0 },
  )
}

export function listen(handler: Handler, options: ListenOptions): Listener {
  const start = (port: number, tls: TlsFiles | undefined) =>
    Bun.serve({
      hostname: options.host,
      port,
      reusePort: tls !== undefined,
      maxRequestBodySize: Number.MAX_SAFE_INTEGER,
      idleTimeout: 60,
      ...(tls && { tls: { cert: Bun.file(tls.cert), key: Bun.file(tls.key) } }),
      error: (error) => toResponse(answerError(error, options.log), 'GET'),
      async fetch(request, server) {
        server.timeout(request, 0)
        const peer = server.requestIP(request)?.address ?? ''
        const body = request.body ? withStallTimer(request.body, options.stallMs) : undefined
        const ask = new BunAsk(
          request,
          peer.startsWith(mapped) ? peer.slice(mapped.length) : peer,
          tls !== undefined,
          body,
        )
        try {
          return toResponse(await handler(ask), request.method)
        } catch (error) {
          return toResponse(answerError(error, options.log), request.method)
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
