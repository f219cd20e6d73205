// One GET as a registry client makes it, on a connection of its own, and every way in which it can end told apart.

import { connect, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'

export type Exchange = {
  /** 0: no answer came. */
  readonly status: number
  readonly header: (name: string) => string | undefined
  readonly body: Buffer
  /** whole: as long as it said; cut: the connection ended before; silent: nothing came for `silenceMs`; none: no answer. */
  readonly end: 'whole' | 'cut' | 'silent' | 'none'
  /** From the request, on a connection that stands, to the end of the answer. */
  readonly tookMs: number
}

export type ExchangeOptions = {
  readonly headers: Readonly<Record<string, string>>
  /** Without a byte for this long the client's user gives up. */
  readonly silenceMs: number
  /** PEM of the authority that is trusted. */
  readonly ca?: string | undefined
}

export function exchange(url: string, options: ExchangeOptions): Promise<Exchange> {
  const { protocol, hostname, port, pathname, search, host } = new URL(url)
  const lines = Object.entries({ host, ...options.headers }).map(([name, value]) => `${name}: ${value}`)
  const isTls = protocol === 'https:'
  const target = { host: hostname, port: Number(port) }
  return new Promise((resolve) => {
    const reader = new AnswerReader()
    let sentMs = performance.now()
    const socket: Socket = isTls ? connectTls({ ...target, ca: options.ca }) : connect(target)
    let timer: Timer | undefined
    const finish = (end: Exchange['end']) => {
      clearTimeout(timer)
      socket.destroy()
      resolve({ ...reader.toExchange(end), tookMs: performance.now() - sentMs })
    }
    const wait = () => {
      clearTimeout(timer)
      timer = setTimeout(() => finish('silent'), options.silenceMs)
    }
    wait()
    socket.on('error', () => finish(reader.isBegun ? 'cut' : 'none'))
    socket.on('close', () => finish(reader.isBegun ? 'cut' : 'none'))
    socket.on(isTls ? 'secureConnect' : 'connect', () => {
      sentMs = performance.now()
      socket.write(`GET ${pathname}${search} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`)
    })
    socket.on('data', (chunk: Buffer) => {
      wait()
      if (reader.add(chunk)) finish('whole')
    })
  })
}

class AnswerReader {
  #head: string | undefined
  readonly #chunks: Buffer[] = []
  #length = 0
  #wanted = 0

  get isBegun(): boolean {
    return this.#head !== undefined
  }

  /** True when the answer is there whole. Every server that these clients meet says how long its body is. */
  add(chunk: Buffer): boolean {
    this.#chunks.push(chunk)
    this.#length += chunk.length
    if (this.#head === undefined) {
      const bytes = Buffer.concat(this.#chunks)
      const end = bytes.indexOf('\r\n\r\n')
      if (end < 0) return false
      this.#head = bytes.subarray(0, end).toString('latin1')
      this.#wanted = Number(this.#header('content-length') ?? 0)
      this.#chunks.splice(0, this.#chunks.length, bytes.subarray(end + 4))
      this.#length = bytes.length - end - 4
    }
    return this.#length >= this.#wanted
  }

  #header(name: string): string | undefined {
    const line = this.#head?.split('\r\n').find((one) => one.toLowerCase().startsWith(`${name}:`))
    return line?.slice(name.length + 1).trim()
  }

  toExchange(end: Exchange['end']): Omit<Exchange, 'tookMs'> {
    const status = Number(/^HTTP\/1\.[01] (\d{3})/.exec(this.#head ?? '')?.[1] ?? 0)
    const body = this.#head === undefined ? Buffer.alloc(0) : Buffer.concat(this.#chunks).subarray(0, this.#wanted)
    return { status, header: (name) => this.#header(name), body, end }
  }
}
