// A connection that is one too many: told so, and gone soon, whether or not the other side closes.

import type { WireLimits } from './limits.ts'
import type { WireSocket } from './outbox.ts'

const full = 'HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\ncontent-length: 0\r\nconnection: close\r\n\r\n'

export class TurnedAway {
  readonly #socket: WireSocket
  readonly #clock: { readonly nowMs: number }
  readonly #deadlineMs: number

  constructor(socket: WireSocket, clock: { readonly nowMs: number; readonly isTls: boolean }, limits: WireLimits) {
    this.#socket = socket
    this.#clock = clock
    this.#deadlineMs = clock.nowMs + limits.lingerMs
    // Over TLS the words would cost a handshake.
    if (!clock.isTls) socket.write(full)
    socket.shutdown()
  }

  onData(): void {}

  onDrain(): void {}

  onEnd(): void {
    this.#socket.end()
  }

  onClose(): void {}

  sweep(): void {
    if (this.#clock.nowMs >= this.#deadlineMs) this.#socket.terminate()
  }

  drain(): void {
    this.#socket.end()
  }

  terminate(): void {
    this.#socket.terminate()
  }
}
