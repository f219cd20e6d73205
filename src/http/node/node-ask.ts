import type { IncomingMessage } from 'node:http'
import type { Ask } from '#http/answer.ts'
import { plainPeer } from '#http/listener.ts'
import { withStallTimer } from '#http/stall-timer.ts'

export class NodeAsk implements Ask {
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

export function hasBody({ headers }: IncomingMessage): boolean {
  const length = headers['content-length']
  return headers['transfer-encoding'] !== undefined || (length !== undefined && length !== '0')
}
