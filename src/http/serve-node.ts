// node:http (as Bun has it) as a listener of Asks and Answers: the registry uses it, because the distribution spec asks for one
// OCI-Tag line per tag and Bun.serve joins repeated headers into one.

import { open, readFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { type Answer, type Ask, answerError } from './answer.ts'
import { type Handler, isStored, type Listener, type ListenOptions, plainPeer, type TlsFiles } from './listener.ts'
import { withStallTimer } from './stall-timer.ts'

/** One read of a file on its way out. */
const readBytes = 1 << 20
/** A refused body is read on for this long, so that the client finds the answer before the connection ends. */
const lingerMs = 1000

class NodeAsk implements Ask {
  readonly method: string
  readonly path: string
  readonly query: string
  readonly peer: string
  readonly isTls: boolean
  readonly body: AsyncIterable<Uint8Array> | undefined
  readonly #request: IncomingMessage

  constructor(request: IncomingMessage, isTls: boolean, stallMs: number) {
    this.#request = request
    this.method = request.method ?? 'GET'
    this.isTls = isTls
    this.peer = plainPeer(request.socket.remoteAddress)
    this.body = hasBody(request) ? withStallTimer(request, stallMs) : undefined
    const target = request.url ?? '/'
    const start = target.startsWith('/') ? 0 : Math.max(0, target.indexOf('/', target.indexOf('://') + 3))
    const question = target.indexOf('?', start)
    this.path = question < 0 ? target.slice(start) : target.slice(start, question)
    this.query = question < 0 ? '' : target.slice(question + 1)
  }

  header(name: string): string | undefined {
    const value = this.#request.headers[name]
    return Array.isArray(value) ? value.join(', ') : value
  }
}

function hasBody(request: IncomingMessage): boolean {
  const length = request.headers['content-length']
  return request.headers['transfer-encoding'] !== undefined || (length !== undefined && length !== '0')
}

async function send(answer: Answer, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { body } = answer
  for (const name in answer.headers) response.setHeader(name, answer.headers[name] as string | string[])
  response.statusCode = answer.status
  const isUnread = hasBody(request) && !request.complete
  if (isUnread) response.setHeader('connection', 'close')
  const length = lengthOf(answer)
  if (length !== undefined && answer.status !== 204) response.setHeader('content-length', length)
  if (request.method === 'HEAD' || body === undefined) {
    if (isStored(body)) await body[Symbol.asyncDispose]()
    response.end()
  } else if (isStored(body)) {
    await using stored = body
    await sendStored(stored, response)
  } else if (typeof body === 'string' || body instanceof Uint8Array) response.end(body)
  else {
    for await (const chunk of body) await write(response, chunk)
    response.end()
  }
  if (isUnread) linger(request)
}

function lengthOf({ body, contentLength }: Answer): number | undefined {
  if (contentLength !== undefined) return contentLength
  if (body === undefined) return 0
  if (typeof body === 'string') return Buffer.byteLength(body)
  if (body instanceof Uint8Array) return body.length
  return isStored(body) ? body.sizeBytes : undefined
}

async function sendStored(
  body: NonNullable<Answer['body']> & { sizeBytes: number; file?: unknown },
  response: ServerResponse,
): Promise<void> {
  if (!isStored(body)) return
  if (!body.file) {
    for await (const chunk of body.stream()) await write(response, chunk)
    response.end()
    return
  }
  const file = await open(body.file.path, 'r')
  try {
    let at = body.file.first
    const end = at + body.sizeBytes
    while (at < end) {
      const buffer = Buffer.allocUnsafe(Math.min(readBytes, end - at))
      const { bytesRead } = await file.read(buffer, 0, buffer.length, at)
      if (bytesRead === 0) throw new Error(`${body.file.path} ended at ${at} of ${end}`)
      at += bytesRead
      await write(response, bytesRead === buffer.length ? buffer : buffer.subarray(0, bytesRead))
    }
    response.end()
  } finally {
    await file.close()
  }
}

function write(response: ServerResponse, chunk: Uint8Array): Promise<void> | undefined {
  if (response.destroyed || response.closed) throw new ClientGone()
  if (response.write(chunk)) return undefined
  return new Promise((resolve, reject) => {
    const done = () => {
      response.off('drain', onDrain)
      response.off('close', onClose)
    }
    const onDrain = () => {
      done()
      resolve()
    }
    const onClose = () => {
      done()
      reject(new ClientGone())
    }
    response.on('drain', onDrain)
    response.on('close', onClose)
  })
}

class ClientGone extends Error {
  override readonly name = 'ClientGone'
}

function linger(request: IncomingMessage): void {
  request.resume()
  setTimeout(() => request.destroy(), lingerMs)
}

export async function listenNode(handler: Handler, options: ListenOptions): Promise<Listener> {
  const start = async (port: number, tls: TlsFiles | undefined): Promise<Server> => {
    const onRequest = async (request: IncomingMessage, response: ServerResponse) => {
      const ask = new NodeAsk(request, tls !== undefined, options.stallMs)
      let answer: Answer
      try {
        answer = await handler(ask)
      } catch (error) {
        // The connection broke while its body was read: nobody is there to be answered.
        if (request.destroyed && !request.complete) return void response.destroy()
        answer = answerError(error, options.log)
      }
      try {
        await send(answer, request, response)
      } catch (error) {
        if (!(error instanceof ClientGone)) options.log(error)
        response.destroy()
      }
    }
    const server = tls
      ? createTlsServer({ cert: await readFile(tls.cert), key: await readFile(tls.key) }, onRequest)
      : createServer(onRequest)
    server.requestTimeout = 0
    server.headersTimeout = 10_000
    server.keepAliveTimeout = 60_000
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen({ port, host: options.host, reusePort: tls !== undefined }, resolve)
    })
    return server
  }
  let server = await start(options.port, options.tls)
  const { port } = server.address() as AddressInfo
  const drain = async (old: Server, graceMs: number) => {
    const closed = new Promise<void>((resolve) => old.close(() => resolve()))
    old.closeIdleConnections()
    const timer = setTimeout(() => old.closeAllConnections(), graceMs)
    await closed
    clearTimeout(timer)
  }
  return {
    host: options.host,
    port,
    async replaceCertificate(tls) {
      const old = server
      server = await start(port, tls)
      await drain(old, options.stallMs)
    },
    stop: (graceMs) => drain(server, graceMs),
  }
}
