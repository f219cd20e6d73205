// A line between a client and a local server that counts what goes over it and can break.

import { connect, createServer, type Server } from 'node:net'

/** A line that breaks after so many bytes of all that came to the client. */
export class CutLine implements AsyncDisposable {
  readonly #server: Server
  bytesLeft = Number.POSITIVE_INFINITY
  /** Both ways, since the start. */
  bytes = 0

  constructor(target: number) {
    this.#server = createServer((client) => {
      const upstream = connect(target, '127.0.0.1')
      for (const socket of [client, upstream]) socket.on('error', () => undefined)
      client.on('data', (chunk) => {
        this.bytes += chunk.length
        upstream.write(chunk)
      })
      client.on('end', () => upstream.end())
      upstream.on('data', (chunk) => {
        this.bytes += chunk.length
        this.bytesLeft -= chunk.length
        if (this.bytesLeft > 0) client.write(chunk)
        else client.destroy()
      })
      upstream.on('close', () => client.end())
      client.on('close', () => upstream.destroy())
    })
  }

  listen(): Promise<number> {
    return new Promise((resolve) => {
      this.#server.listen(0, '127.0.0.1', () => resolve((this.#server.address() as { port: number }).port))
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.close()
  }
}
