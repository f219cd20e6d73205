// A long line between two programs of this machine: every byte takes half a round trip, a new connection a whole one before anything
// can be said on it, and now and then the line stands still.

import { connect, createServer, type Server, type Socket } from 'node:net'

export type LineOptions = {
  readonly roundTripMs: number
  /** Of the pieces that pass, the part that meets a standing line, and how long it stands. */
  readonly stallShare: number
  readonly stallMs: number
  readonly random: () => number
}

export class SlowLine implements AsyncDisposable {
  readonly #options: LineOptions
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  connections = 0
  stalls = 0

  /** From `address` (a port of its own choice) to that target. */
  static async open(
    address: string,
    target: { readonly host: string; readonly port: number },
    options: LineOptions,
  ): Promise<SlowLine> {
    const line = new SlowLine(target, options)
    await new Promise<void>((resolve) => line.#server.listen(0, address, resolve))
    return line
  }

  private constructor(target: { readonly host: string; readonly port: number }, options: LineOptions) {
    this.#options = options
    this.#server = createServer({ allowHalfOpen: true }, (near) => {
      this.connections++
      const far = connect({ ...target, allowHalfOpen: true })
      // What a client sends first waits for the handshake of TCP, which loopback does not have.
      this.#pass(near, far, performance.now() + options.roundTripMs)
      this.#pass(far, near, 0)
    })
  }

  get port(): number {
    return (this.#server.address() as { port: number }).port
  }

  /** In order: nothing overtakes what was sent before it. */
  #pass(from: Socket, to: Socket, openMs: number): void {
    this.#sockets.add(from)
    let freeMs = openMs
    const later = (act: () => void) => {
      const { roundTripMs, stallShare, stallMs, random } = this.#options
      const isStalled = random() < stallShare
      if (isStalled) this.stalls++
      freeMs = Math.max(freeMs, performance.now()) + (isStalled ? stallMs : 0)
      setTimeout(act, freeMs + roundTripMs / 2 - performance.now())
    }
    from.on('error', () => to.destroy())
    from.on('data', (chunk) => later(() => to.writable && to.write(chunk)))
    from.on('end', () => later(() => to.end()))
    from.on('close', () => {
      this.#sockets.delete(from)
      later(() => to.end())
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.close()
    for (const socket of this.#sockets) socket.destroy()
  }
}
