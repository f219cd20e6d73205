// A connection from one of our own proxies until it has said for whom: then it becomes the Connection of that client.
import { refuse } from '#http/answer.ts'
import type { WireLimits } from './limits.ts'
import type { WireSocket } from './outbox.ts'
import { type ProxyHeader, readProxyHeader } from './proxy-header.ts'
import { writeHead } from './write-head.ts'

/** `on`: trusted proxies say for whom they come, and nobody else does. `optional`: they may leave it out. */
export type ProxyProtocol = 'off' | 'on' | 'optional'

export type ArrivalParts = {
  readonly limits: WireLimits
  readonly clock: { readonly nowMs: number; readonly date: string }
  readonly mode: Exclude<ProxyProtocol, 'off'>
  /** `header` undefined: the proxy sent none, and need not. */
  readonly onClient: (header: ProxyHeader | undefined, rest: Buffer) => void
  readonly onRefused: (peer: string, reason: string) => void
}

const missing =
  'connections of trusted-proxies must begin with a PROXY header (send-proxy-v2 in HAProxy, proxy_protocol on in nginx)'

export class ProxiedArrival {
  readonly #socket: WireSocket
  readonly #peer: string
  readonly #parts: ArrivalParts
  #deadlineMs: number
  #bytes: Buffer = Buffer.alloc(0)
  #isOver = false

  constructor(socket: WireSocket, peer: string, parts: ArrivalParts) {
    this.#socket = socket
    this.#peer = peer
    this.#parts = parts
    this.#deadlineMs = parts.clock.nowMs + parts.limits.headerTimeoutMs
  }

  onData(chunk: Buffer): void {
    if (this.#isOver) return
    this.#bytes = this.#bytes.length === 0 ? Buffer.from(chunk) : Buffer.concat([this.#bytes, chunk])
    const read = readProxyHeader(this.#bytes)
    if (read === 'partial') return
    if (read === 'absent') {
      if (this.#parts.mode === 'on') this.#refuse(missing)
      else this.#handOver(undefined, this.#bytes)
    } else if ('wrong' in read) this.#refuse(`the PROXY header: ${read.wrong}`)
    else this.#handOver(read, this.#bytes.subarray(read.end))
  }

  #handOver(header: ProxyHeader | undefined, rest: Buffer): void {
    this.#isOver = true
    this.#bytes = Buffer.alloc(0)
    this.#parts.onClient(header, rest)
  }

  /** Whoever set the proxy up wrongly finds the reason in its answer, and in our log. */
  #refuse(reason: string): void {
    this.#isOver = true
    this.#bytes = Buffer.alloc(0)
    this.#parts.onRefused(this.#peer, reason)
    const answer = refuse('REQUEST_INVALID', reason)
    const body = answer.body as string
    const framing = { length: body.length, connection: 'close', date: this.#parts.clock.date } as const
    this.#socket.write(writeHead(answer.status, answer.headers, framing) + body)
    this.#deadlineMs = this.#parts.clock.nowMs + this.#parts.limits.lingerMs
    this.#socket.shutdown()
  }

  onDrain(): void {}

  onEnd(): void {
    this.#socket.end()
  }

  onClose(): void {
    this.#isOver = true
  }

  sweep(): void {
    if (this.#parts.clock.nowMs >= this.#deadlineMs) this.#socket.terminate()
  }

  /** Nothing was asked yet, so nothing is lost. */
  drain(): void {
    this.#socket.end()
  }

  terminate(): void {
    this.#socket.terminate()
  }
}
