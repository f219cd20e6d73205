// A volunteer's host with a real copy of the tree on an address of its own, that misbehaves when it is told to, and when it wants:
// a liar is good to whoever asks for a small closed range, as probes do, and bad to everybody else.

import { readFileSync } from 'node:fs'
import { createServer, type Server, type Socket } from 'node:net'
import { join } from 'node:path'
import { createServer as createTlsServer } from 'node:tls'
import { findFreePort } from '../../kit/free-port.ts'
import { type FaultName, faults } from './faults.ts'
import { dropConnections } from './full-backlog.ts'
import { type HostRequest, serveRequest } from './serve-fault.ts'

export type Certificate = { readonly cert: string; readonly key: string }

export type FaultyHostOptions = {
  readonly address: string
  /** The copy that it serves. */
  readonly tree: string
  /** PEM files: the one it has while it is good, the one it has with a bad certificate. Undefined: it speaks plain http. */
  readonly tls?: { readonly good: Certificate; readonly bad: Certificate } | undefined
}

export type HostMode =
  | { readonly is: 'good' }
  | { readonly is: 'bad'; readonly fault: FaultName }
  | { readonly is: 'liar'; readonly fault: FaultName }

/** One line of what it served: path and query, and how much of the body went out. */
export type Served = {
  readonly target: string
  readonly method: string
  readonly range: string | undefined
  bytes: number
}

/** What probes ask for at once. */
const largestProbeBytes = 64 * 1024

export function isLikeProbe({ method, range }: HostRequest): boolean {
  if (method === 'HEAD') return true
  const match = /^bytes=(\d+)-(\d+)$/.exec(range ?? '')
  return match !== null && Number(match[2]) - Number(match[1]) < largestProbeBytes
}

function isSeenByDialling(mode: HostMode): boolean {
  return mode.is === 'bad' && faults.find(({ name }) => name === mode.fault)?.kind === 'dial'
}

function readRequest(head: string): HostRequest {
  const [line = '', ...headers] = head.split('\r\n')
  const [method = '', target = ''] = line.split(' ')
  const range = headers.find((header) => /^range:/i.test(header))
  return { method, target, range: range?.slice(6).trim() }
}

export class FaultyHost implements AsyncDisposable {
  readonly url: string
  readonly served: Served[] = []
  readonly #options: FaultyHostOptions
  readonly #port: number
  readonly #sockets = new Set<Socket>()
  #mode: HostMode = { is: 'good' }
  #server: Server | undefined
  #dropping: Disposable | undefined

  static async start(options: FaultyHostOptions): Promise<FaultyHost> {
    const host = new FaultyHost(options, await findFreePort(options.address))
    await host.#listen()
    return host
  }

  private constructor(options: FaultyHostOptions, port: number) {
    this.#options = options
    this.#port = port
    this.url = `${options.tls ? 'https' : 'http'}://${options.address}:${port}`
  }

  /** From now on, for all connections. */
  async become(mode: HostMode): Promise<void> {
    const canStay = this.#server !== undefined && !isSeenByDialling(this.#mode) && !isSeenByDialling(mode)
    this.#mode = mode
    // Its port stays taken: in between another program could get it.
    if (canStay) return this.#hangUp()
    await this.#close()
    const fault = mode.is === 'bad' ? mode.fault : undefined
    if (fault === 'refused') return
    if (fault === 'SYN dropped') this.#dropping = await dropConnections(this.#options.address, this.#port)
    else await this.#listen()
  }

  #listen(): Promise<void> {
    const { tls, address } = this.#options
    const isBad = this.#mode.is === 'bad' && this.#mode.fault === 'bad certificate'
    const pair = tls && (isBad ? tls.bad : tls.good)
    const server = pair
      ? createTlsServer({ cert: readFileSync(pair.cert), key: readFileSync(pair.key) }, (socket) => this.#serve(socket))
      : createServer((socket) => this.#serve(socket))
    server.on('tlsClientError', () => undefined)
    this.#server = server
    return new Promise((resolve, reject) => {
      server.on('error', reject)
      server.listen(this.#port, address, () => resolve())
    })
  }

  #serve(socket: Socket): void {
    this.#sockets.add(socket)
    socket.on('close', () => this.#sockets.delete(socket))
    socket.on('error', () => undefined)
    let waiting = ''
    let isOver = false
    socket.on('data', (chunk: Buffer) => {
      waiting += chunk.toString('latin1')
      for (let end = waiting.indexOf('\r\n\r\n'); end >= 0 && !isOver; end = waiting.indexOf('\r\n\r\n')) {
        const request = readRequest(waiting.slice(0, end))
        waiting = waiting.slice(end + 4)
        isOver = !this.#answer(socket, request)
      }
    })
  }

  #answer(socket: Socket, request: HostRequest): boolean {
    const mode = this.#mode
    const isFaulty = mode.is === 'bad' || (mode.is === 'liar' && !isLikeProbe(request))
    const file = this.#read(request.target)
    const { bytes, isKept } = serveRequest(socket, file, request, isFaulty ? mode.fault : undefined)
    this.served.push({ ...request, bytes })
    if (isFaulty && mode.fault === 'half, then gone') void this.#goDark()
    return isKept
  }

  /** Whoever dials again meets silence; the connection that is half served stays silent too. */
  async #goDark(): Promise<void> {
    const server = this.#server
    // Two answers at once: the first has taken it.
    if (!server || this.#mode.is !== 'bad') return
    this.#server = undefined
    server.close()
    this.#dropping = await dropConnections(this.#options.address, this.#port)
  }

  #read(target: string): Uint8Array | undefined {
    const path = target.split('?')[0]!
    if (path.includes('..')) return undefined
    try {
      return readFileSync(join(this.#options.tree, path))
    } catch {
      return undefined
    }
  }

  #hangUp(): void {
    for (const socket of this.#sockets) socket.destroy()
  }

  async #close(): Promise<void> {
    this.#dropping?.[Symbol.dispose]()
    this.#dropping = undefined
    const server = this.#server
    this.#server = undefined
    this.#hangUp()
    if (server) await new Promise<void>((resolve) => server.close(() => resolve()))
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#close()
  }
}
