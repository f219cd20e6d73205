// A volunteer's host of whose every byte the test decides: it serves the tree's paths from memory, or misbehaves in one of the ways that
// were seen in the field. Raw sockets, because half of these ways no HTTP server can be talked into.

import { createServer, type Server, type Socket } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'
import { gzipSync } from 'node:zlib'
import { dropSyns } from './drop-syns.ts'
import { findFreePort } from './free-port.ts'

/** `field` words: what clients meet. `half-silent` stands for a host that is gone midway as well: both are silence to a client. */
export const hostFaults = [
  '404',
  '401',
  '403',
  '410',
  '429',
  '500',
  '503',
  'refused',
  'syn-dropped',
  'closes',
  'silent',
  'half-silent',
  'cut',
  'reset',
  'short',
  'wrong',
  'html',
  'empty',
  'trailing',
  'no-range',
  'bad-range',
  'gzip',
  'x-gzip',
  'loop',
] as const

export type HostFault = (typeof hostFaults)[number]
export type HostMode = 'good' | HostFault

export type SimHostOptions = {
  readonly address: string
  /** The whole tree by digest; a host holds what is in `held`. */
  readonly tree: ReadonlyMap<string, Buffer>
  readonly held?: Set<string>
  readonly tls?: { readonly cert: string; readonly key: string } | undefined
}

export type HostRequest = {
  readonly path: string
  readonly range: string | undefined
  readonly agent: string
  readonly mode: HostMode
}

type Part = { readonly first: number; readonly last: number }
type Asked = { readonly socket: Socket; readonly bytes: Buffer; readonly part: Part | undefined; readonly path: string }

export class SimHost implements AsyncDisposable {
  readonly url: string
  readonly held: Set<string>
  readonly requests: HostRequest[] = []
  connections = 0
  bodyBytes = 0
  /** Every mode with the moment when it began, on the clock of `performance.now()`; the last one is now's. */
  readonly modes: { readonly mode: HostMode; readonly sinceMs: number }[] = [{ mode: 'good', sinceMs: 0 }]
  readonly #options: SimHostOptions
  readonly #port: number
  readonly #sockets = new Set<Socket>()
  #server: Server | undefined
  #dropping: Disposable | undefined

  static async start(options: SimHostOptions): Promise<SimHost> {
    const host = new SimHost(options, await findFreePort(options.address))
    await host.#listen()
    return host
  }

  private constructor(options: SimHostOptions, port: number) {
    this.#options = options
    this.#port = port
    this.held = options.held ?? new Set(options.tree.keys())
    this.url = `${options.tls ? 'https' : 'http'}://${options.address}:${port}`
  }

  get mode(): HostMode {
    return this.modes.at(-1)!.mode
  }

  /** Counts for requests that come from now on; a transfer under way ends as it began. */
  async setMode(mode: HostMode): Promise<void> {
    if (mode === this.mode) return
    this.modes.push({ mode, sinceMs: performance.now() })
    if (mode === 'refused' || mode === 'syn-dropped') {
      await this.#stopListening()
      if (mode === 'syn-dropped') this.#dropping = dropSyns(this.#options.address, this.#port)
    } else await this.#listen()
  }

  async #listen(): Promise<void> {
    this.#dropping?.[Symbol.dispose]()
    this.#dropping = undefined
    if (this.#server) return
    const { address, tls } = this.#options
    const take = (socket: Socket) => this.#take(socket)
    const server = tls ? createTlsServer(tls, take) : createServer(take)
    this.#server = server
    await new Promise<void>((resolve, reject) => {
      server.on('error', reject)
      server.listen(this.#port, address, resolve)
    })
  }

  /** Kept connections go with the listener, as they do when a machine goes; those that wait for nothing only. */
  async #stopListening(): Promise<void> {
    this.#dropping?.[Symbol.dispose]()
    this.#dropping = undefined
    const server = this.#server
    this.#server = undefined
    server?.close()
    for (const socket of this.#sockets) socket.end()
  }

  #take(socket: Socket): void {
    this.connections++
    this.#sockets.add(socket)
    socket.on('close', () => this.#sockets.delete(socket))
    socket.on('error', () => undefined)
    let head = ''
    socket.on('data', (chunk: Buffer) => {
      head += chunk.toString('latin1')
      for (let end = head.indexOf('\r\n\r\n'); end >= 0; end = head.indexOf('\r\n\r\n')) {
        const text = head.slice(0, end)
        head = head.slice(end + 4)
        this.#answer(socket, text)
      }
    })
  }

  #answer(socket: Socket, head: string): void {
    const [method = '', target = ''] = head.split(' ', 2)
    const path = target.split('?')[0]!
    const header = (name: string) => new RegExp(`^${name}: *(.*)$`, 'im').exec(head)?.[1]
    const range = header('range')
    const { mode } = this
    this.requests.push({ path, range, agent: header('user-agent') ?? '', mode })
    const digest = `sha256:${path.split('/').at(-1)}`
    const bytes = this.held.has(digest) ? this.#options.tree.get(digest) : undefined
    const asked = { socket, bytes: bytes ?? Buffer.alloc(0), part: partOf(range, bytes?.length ?? 0), path }
    if (mode !== 'good') misbehave(mode, asked, this.url)
    else if (!bytes) send(socket, '404 Not Found', [], Buffer.from('not here'))
    else if (method === 'HEAD') send(socket, '200 OK', [`content-length: ${bytes.length}`])
    else this.bodyBytes += sendBytes(asked)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#dropping?.[Symbol.dispose]()
    this.#server?.close()
    for (const socket of this.#sockets) socket.destroy()
  }
}

/** One range, closed or open; undefined: the whole. */
function partOf(range: string | undefined, sizeBytes: number): Part | undefined {
  const [, first, last] = /^bytes=(\d+)-(\d*)$/.exec(range ?? '') ?? []
  if (first === undefined || Number(first) >= sizeBytes) return undefined
  return { first: Number(first), last: Math.min(last ? Number(last) : sizeBytes - 1, sizeBytes - 1) }
}

function headOf(status: string, headers: readonly string[]): string {
  return `HTTP/1.1 ${[status, ...headers].join('\r\n')}\r\n\r\n`
}

function send(socket: Socket, status: string, headers: readonly string[], body?: Buffer): void {
  const length = body ? [`content-length: ${body.length}`] : []
  socket.write(headOf(status, [...headers, ...length]))
  if (body && body.length > 0) socket.write(body)
}

const shown = ({ bytes, part }: Asked) => (part ? bytes.subarray(part.first, part.last + 1) : bytes)

function answerHead({ bytes, part }: Asked, length = part ? part.last - part.first + 1 : bytes.length): string {
  const plain = [`content-length: ${length}`]
  if (!part) return headOf('200 OK', plain)
  return headOf('206 Partial Content', [...plain, `content-range: bytes ${part.first}-${part.last}/${bytes.length}`])
}

function sendBytes(asked: Asked): number {
  const body = shown(asked)
  asked.socket.write(answerHead(asked))
  asked.socket.write(body)
  return body.length
}

const html = Buffer.from('<html><body>Welcome to our network. Please log in.</body></html>')
const statuses: Readonly<Record<string, string>> = {
  '404': '404 Not Found',
  '401': '401 Unauthorized',
  '403': '403 Forbidden',
  '410': '410 Gone',
  '429': '429 Too Many Requests',
  '500': '500 Internal Server Error',
  '503': '503 Service Unavailable',
}

function misbehave(fault: HostFault, asked: Asked, hostUrl: string): void {
  const { socket, bytes, path } = asked
  const body = shown(asked)
  const firstHalf = Buffer.concat([Buffer.from(answerHead(asked)), body.subarray(0, body.length >> 1)])
  const status = statuses[fault]
  if (status) send(socket, status, [], html)
  else if (fault === 'closes') socket.end()
  // Nothing listens any more; a connection from before goes as well.
  else if (fault === 'refused' || fault === 'syn-dropped') socket.destroy()
  else if (fault === 'half-silent') socket.write(firstHalf)
  else if (fault === 'cut') socket.end(firstHalf)
  else if (fault === 'reset') socket.write(firstHalf, () => socket.resetAndDestroy())
  else if (fault === 'short') sendBytes({ ...asked, bytes: bytes.subarray(0, bytes.length >> 1), part: undefined })
  else if (fault === 'wrong') sendBytes({ ...asked, bytes: Buffer.from(bytes.map((byte) => byte ^ 0x55)) })
  else if (fault === 'html') send(socket, '200 OK', ['content-type: text/html'], html)
  else if (fault === 'empty') send(socket, '200 OK', [], Buffer.alloc(0))
  else if (fault === 'trailing') {
    socket.write(answerHead(asked, body.length + html.length))
    socket.write(Buffer.concat([body, html]))
  } else if (fault === 'no-range') sendBytes({ ...asked, part: undefined })
  else if (fault === 'bad-range') {
    if (asked.part) send(socket, '416 Range Not Satisfiable', [`content-range: bytes */${bytes.length}`], html)
    else socket.end(firstHalf)
  } else if (fault === 'gzip' || fault === 'x-gzip')
    send(socket, '200 OK', [`content-encoding: ${fault}`], gzipSync(body, { level: 1 }))
  else if (fault === 'loop') send(socket, '307 Temporary Redirect', [`location: ${hostUrl}${path}`], Buffer.alloc(0))
  // silent: it took the request, and that is all.
}
