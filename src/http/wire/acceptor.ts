// Accepts on one port until it is drained; there are two of them while a certificate is replaced.
//
//   open --too many in all----------------------> TurnedAway
//     |--trusted proxy, PROXY protocol--> ProxiedArrival --header--> Connection of the client that it names
//     '--else----------------------------------------------------> Connection of the peer
//   a prefix that has its share already ---> TurnedAway
import { type Handler, plainPeer, type TlsFiles } from '#http/listener.ts'
import { ClientCounts } from './client-counts.ts'
import { Connection, type Shared } from './connection.ts'
import type { WireLimits } from './limits.ts'
import { ProxiedArrival, type ProxyProtocol } from './proxied-arrival.ts'
import type { ProxyHeader } from './proxy-header.ts'
import { TurnedAway } from './turned-away.ts'

export type WireOptions = {
  readonly host: string
  readonly port: number
  readonly tls?: TlsFiles | undefined
  readonly limits?: Partial<WireLimits>
  /** Own proxies: their connections belong to many clients. Default: nobody is one. */
  readonly isTrustedProxy?: (peer: string) => boolean
  /** Needs `isTrustedProxy`, and a listener without TLS: the runtime shows us nothing before the handshake. Default: `off`. */
  readonly proxyProtocol?: ProxyProtocol
  readonly log: (error: unknown) => void
}

/** Whatever stands behind a socket. */
type Guest = Connection | ProxiedArrival | TurnedAway
/** `place`: what `ClientCounts` gets back in the end. */
type Seat = { guest: Guest | undefined; place: number | undefined }
type Socket = Bun.Socket<Seat>

/** What operators should know of is logged so often, not once a connection. */
const tellAgainMs = 60_000

export class Acceptor {
  readonly #seats = new Set<Seat>()
  readonly #counts: ClientCounts
  readonly #limits: WireLimits
  readonly #options: WireOptions
  readonly #shared: Shared
  readonly #listener: Bun.TCPSocketListener<Seat>
  readonly #sweep: Timer
  #onEmpty: (() => void) | undefined
  readonly #toldAtMs = new Map<string, number>()

  constructor(handler: Handler, limits: WireLimits, options: WireOptions) {
    this.#limits = limits
    this.#options = options
    this.#counts = new ClientCounts(limits.maxConnectionsPerClient)
    const isTls = options.tls !== undefined
    this.#shared = { handler, limits, log: options.log, isTls, nowMs: 0, date: '', isDraining: false }
    this.#tick()
    this.#listener = this.#listen()
    // Often enough for the shortest limit, and once a second for the Date field.
    const { headerTimeoutMs, idleTimeoutMs, sendStallMs, lingerMs } = limits
    const everyMs = Math.min(1000, headerTimeoutMs / 4, idleTimeoutMs / 4, sendStallMs / 4, lingerMs / 4)
    this.#sweep = setInterval(
      () => {
        this.#tick()
        for (const { guest } of this.#seats) guest?.sweep()
      },
      Math.max(10, everyMs),
    )
  }

  #listen(): Bun.TCPSocketListener<Seat> {
    const { host, port, tls } = this.#options
    // `reusePort` is honoured though its type does not name it: a second listener takes over while the first drains.
    const listenOptions: Bun.TCPSocketListenOptions<Seat> & { reusePort: boolean } = {
      hostname: host,
      port,
      reusePort: tls !== undefined,
      allowHalfOpen: true,
      ...(tls && { tls: { cert: Bun.file(tls.cert), key: Bun.file(tls.key) } }),
      socket: {
        open: (socket) => this.#open(socket),
        // That it is here makes `open` come before the handshake and not after it: a client that never ends its handshake counts as well.
        ...(tls && {
          handshake(socket, isDone) {
            if (!isDone) socket.terminate()
          },
        }),
        data: (socket, chunk) => socket.data?.guest?.onData(chunk),
        drain: (socket) => socket.data?.guest?.onDrain(),
        end(socket) {
          if (socket.data) socket.data.guest?.onEnd()
          else socket.end()
        },
        close: (socket) => this.#close(socket),
        // A client that resets or fails its handshake is no fault of ours; `close` follows.
        error: () => undefined,
      },
    }
    try {
      return Bun.listen<Seat>(listenOptions)
    } catch (error) {
      // Of a port that is taken or forbidden the runtime names the host alone.
      throw Object.assign(error as Error, { message: `${host}:${port}: ${(error as Error).message}` })
    }
  }

  #open(socket: Socket): void {
    const { maxConnections } = this.#limits
    const open = this.#seats.size
    // Those that are turned away take places as well: past a tenth more nobody is told anything.
    if (open >= maxConnections + Math.ceil(maxConnections / 10)) {
      socket.terminate()
      return
    }
    const seat: Seat = { guest: undefined, place: undefined }
    socket.data = seat
    this.#seats.add(seat)
    if (open >= maxConnections) {
      seat.guest = new TurnedAway(socket, this.#shared, this.#limits)
      this.#tell('all', `${maxConnections} connections are open; more are turned away`)
      return
    }
    const peer = plainPeer(socket.remoteAddress)
    const { isTrustedProxy, proxyProtocol = 'off' } = this.#options
    const isProxy = isTrustedProxy?.(peer) ?? false
    if (isProxy && proxyProtocol !== 'off') seat.guest = this.#awaitHeader(socket, seat, peer, proxyProtocol)
    else this.#connect(socket, seat, { peer, isProxy, isTls: this.#shared.isTls })
  }

  #awaitHeader(socket: Socket, seat: Seat, peer: string, mode: 'on' | 'optional'): ProxiedArrival {
    return new ProxiedArrival(socket, peer, {
      limits: this.#limits,
      clock: this.#shared,
      mode,
      onClient: (header: ProxyHeader | undefined, rest) => {
        const client = header?.client
        const about = { peer: client ?? peer, isProxy: client === undefined, isTls: header?.isTls ?? false }
        this.#connect(socket, seat, about)
        if (rest.length > 0) seat.guest?.onData(rest)
      },
      onRefused: (from, reason) => this.#tell('proxy', `a connection of the proxy ${from} was refused: ${reason}`),
    })
  }

  #connect(
    socket: Socket,
    seat: Seat,
    { peer, isProxy, isTls }: { readonly peer: string; readonly isProxy: boolean; readonly isTls: boolean },
  ): void {
    if (!isProxy) {
      seat.place = this.#counts.enter(peer)
      if (seat.place === undefined) {
        seat.guest = new TurnedAway(socket, this.#shared, this.#limits)
        const most = this.#limits.maxConnectionsPerClient
        this.#tell('client', `a network has ${most} connections open, its share; more of it are turned away`)
        return
      }
    }
    seat.guest = new Connection(socket, this.#shared, { peer, isTls })
  }

  #close(socket: Socket): void {
    const seat = socket.data
    if (!seat) return
    seat.guest?.onClose()
    if (seat.place !== undefined) this.#counts.leave(seat.place)
    this.#seats.delete(seat)
    if (this.#seats.size === 0) this.#onEmpty?.()
  }

  #tell(about: 'proxy' | 'client' | 'all', what: string): void {
    const { nowMs } = this.#shared
    const toldAtMs = this.#toldAtMs.get(about)
    if (toldAtMs !== undefined && nowMs - toldAtMs < tellAgainMs) return
    this.#toldAtMs.set(about, nowMs)
    this.#options.log(new Error(what))
  }

  get port(): number {
    return this.#listener.port
  }

  #tick(): void {
    // Deadlines must not end all connections, nor none, when the machine's clock is set.
    this.#shared.nowMs = performance.now()
    this.#shared.date = `date: ${new Date().toUTCString()}\r\n`
  }

  async stop(graceMs: number): Promise<void> {
    this.#shared.isDraining = true
    this.#listener.stop(false)
    for (const { guest } of this.#seats) guest?.drain()
    if (this.#seats.size > 0) {
      await new Promise<void>((resolve) => {
        this.#onEmpty = resolve
        setTimeout(resolve, graceMs).unref()
      })
    }
    for (const { guest } of this.#seats) guest?.terminate()
    clearInterval(this.#sweep)
  }
}
