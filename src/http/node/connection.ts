// One connection of node:http, one request at a time. A request that comes before the last answer has left is never served: after a
// body nobody can say whether those bytes were meant as a request. The answer that is due still goes out, then the connection ends.

import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import { type Answer, answerError } from '#http/answer.ts'
import type { Handler } from '#http/listener.ts'
import { errorBody } from '#oci/errors.ts'
import { checkHead } from './check-head.ts'
import { hasBody, NodeAsk } from './node-ask.ts'
import { ClientGone, sendAnswer } from './send-answer.ts'

/** A refused body is read on for this long, so that the client finds the answer before the connection ends. */
const lingerMs = 1000

export type ConnectionOptions = {
  readonly handler: Handler
  readonly isTls: boolean
  readonly stallMs: number
  readonly log: (error: unknown) => void
}

export class NodeConnection {
  readonly #socket: Duplex
  readonly #options: ConnectionOptions
  #current: IncomingMessage | undefined
  #isLast = false

  constructor(socket: Duplex, options: ConnectionOptions) {
    this.#socket = socket
    this.#options = options
  }

  async onRequest(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (this.#current || this.#isLast) {
      this.#isLast = true
      return
    }
    this.#current = request
    const answer = checkHead(request)
    if (answer) this.#isLast = true
    await this.#send(answer ?? (await this.#ask(request)), request, response)
    this.#current = undefined
    if (this.#isLast) this.#end(request)
  }

  async #ask(request: IncomingMessage): Promise<Answer> {
    const { handler, isTls, stallMs, log } = this.#options
    try {
      return await handler(new NodeAsk(request, isTls, stallMs))
    } catch (error) {
      return answerError(error, log)
    }
  }

  async #send(answer: Answer, request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (hasBody(request) && !request.complete) this.#isLast = true
    if (this.#isLast) response.setHeader('connection', 'close')
    try {
      await sendAnswer(answer, response, this.#options.stallMs)
    } catch (error) {
      if (!(error instanceof ClientGone)) this.#options.log(error)
      this.#isLast = true
      this.#socket.destroy()
    }
  }

  /** The listener closes: an idle connection ends now, a busy one with its answer. */
  drain(): void {
    this.#isLast = true
    if (!this.#current) this.#socket.end(() => this.#socket.destroy())
  }

  /** Our end is told at once; what still arrives is dropped for a while, since a reset could reach the client before the answer did. */
  #end(request: IncomingMessage): void {
    request.resume()
    this.#socket.end()
    this.#linger()
  }

  #linger(): void {
    setTimeout(() => this.#socket.destroy(), lingerMs).unref()
  }

  /** Bytes that are no request, a request that takes too long to arrive, or an end in the middle of one. */
  onClientError(error: NodeJS.ErrnoException): void {
    if (this.#current?.complete) {
      this.#isLast = true
      return
    }
    if (error.code === 'ECONNRESET' || !this.#socket.writable || this.#isLast) {
      this.#socket.destroy()
      return
    }
    this.#isLast = true
    const hasEnded = error.code === 'HPE_INVALID_EOF_STATE'
    this.#socket.end(
      refusalOf(error),
      // Whoever reads the body must learn that no more of it comes.
      () => hasEnded && this.#socket.destroy(),
    )
    this.#linger()
  }
}

function refusalOf({ code }: NodeJS.ErrnoException): string {
  const [status, detail] =
    code === 'HPE_HEADER_OVERFLOW'
      ? ['431 Request Header Fields Too Large', 'the head of the request is too long']
      : code === 'ERR_HTTP_REQUEST_TIMEOUT'
        ? ['408 Request Timeout', 'the head of the request did not arrive in time']
        : ['400 Bad Request', 'the request is not well-formed HTTP/1.1']
  const body = errorBody('REQUEST_INVALID', detail)
  return [
    `HTTP/1.1 ${status}`,
    `date: ${new Date().toUTCString()}`,
    'connection: close',
    'content-type: application/json',
    `content-length: ${body.length}`,
    '',
    body,
  ].join('\r\n')
}
