// Our own HTTP/1.1 server for GET and HEAD: the front door uses it. Why it exists: docs/decisions/0001-own-http-reader.md
import { type Handler, type Listener, plainPeer, type TlsFiles } from '#http/listener.ts'
import { Connection, type Shared } from './connection.ts'
import { type WireLimits, wireLimitDefaults } from './limits.ts'

export type WireOptions = {
  readonly host: string
  readonly port: number
  readonly tls?: TlsFiles | undefined
  readonly limits?: Partial<WireLimits>
  readonly log: (error: unknown) => void
}

const full = 'HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\ncontent-length: 0\r\nconnection: close\r\n\r\n'

/** Accepts on one port until it is drained; there are two of them while a certificate is replaced. */
class Acceptor {
  readonly #connections = new Set<Connection>()
  readonly #shared: Shared
  readonly #listener: Bun.TCPSocketListener<Connection>
  readonly #sweep: Timer
  #onEmpty: (() => void) | undefined

  constructor(handler: Handler, limits: WireLimits, options: WireOptions) {
    const shared: Shared = {
      handler,
      limits,
      log: options.log,
      isTls: options.tls !== undefined,
      nowMs: 0,
      date: '',
      isDraining: false,
    }
    this.#shared = shared
    this.#tick()
    const connections = this.#connections
    // `reusePort` is honoured though its type does not name it: a second listener takes over while the first drains.
    const listenOptions: Bun.TCPSocketListenOptions<Connection> & { reusePort: boolean } = {
      hostname: options.host,
      port: options.port,
      reusePort: options.tls !== undefined,
      allowHalfOpen: true,
      ...(options.tls && { tls: { cert: Bun.file(options.tls.cert), key: Bun.file(options.tls.key) } }),
      socket: {
        open(socket) {
          if (connections.size >= limits.maxConnections) {
            if (!shared.isTls) socket.write(full)
            socket.end()
            return
          }
          socket.data = new Connection(socket, shared, plainPeer(socket.remoteAddress))
          connections.add(socket.data)
        },
        data: (socket, chunk) => socket.data?.onData(chunk),
        drain: (socket) => socket.data?.onDrain(),
        end(socket) {
          if (socket.data) socket.data.onEnd()
          else socket.end()
        },
        close: (socket) => {
          if (!socket.data) return
          socket.data.onClose()
          connections.delete(socket.data)
          if (connections.size === 0) this.#onEmpty?.()
        },
        // A client that resets or fails its handshake is no fault of ours; `close` follows.
        error: () => undefined,
      },
    }
    try {
      this.#listener = Bun.listen<Connection>(listenOptions)
    } catch (error) {
      // Of a port that is taken or forbidden the runtime names the host alone.
      throw Object.assign(error as Error, { message: `${options.host}:${options.port}: ${(error as Error).message}` })
    }
    // Often enough for the shortest limit, and once a second for the Date field.
    const everyMs = Math.min(
      1000,
      limits.headerTimeoutMs / 4,
      limits.idleTimeoutMs / 4,
      limits.sendStallMs / 4,
      limits.lingerMs / 4,
    )
    this.#sweep = setInterval(
      () => {
        this.#tick()
        for (const connection of connections) connection.sweep()
      },
      Math.max(10, everyMs),
    )
  }

  get port(): number {
    return this.#listener.port
  }

  #tick(): void {
    const now = new Date()
    this.#shared.nowMs = now.getTime()
    this.#shared.date = `date: ${now.toUTCString()}\r\n`
  }

  async stop(graceMs: number): Promise<void> {
    this.#shared.isDraining = true
    this.#listener.stop(false)
    for (const connection of this.#connections) connection.drain()
    if (this.#connections.size > 0) {
      await new Promise<void>((resolve) => {
        this.#onEmpty = resolve
        setTimeout(resolve, graceMs).unref()
      })
    }
    for (const connection of this.#connections) connection.terminate()
    clearInterval(this.#sweep)
  }
}

export function listenWire(handler: Handler, options: WireOptions): Listener {
  const limits = { ...wireLimitDefaults, ...options.limits }
  let acceptor = new Acceptor(handler, limits, options)
  const { port } = acceptor
  return {
    host: options.host,
    port,
    async replaceCertificate(tls) {
      const old = acceptor
      acceptor = new Acceptor(handler, limits, { ...options, port, tls })
      await old.stop(limits.idleTimeoutMs)
    },
    stop: (graceMs) => acceptor.stop(graceMs),
  }
}
