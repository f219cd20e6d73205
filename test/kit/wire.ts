// HTTP by the byte: what is sent is exactly what the test wrote, what comes back is exactly what the server sent.

import { connect, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'

export type WireAnswer = {
  readonly status: number
  readonly head: string
  readonly body: Buffer
  /** All values of a header, in order. */
  headers(name: string): string[]
  /** The only value of a header; undefined without one, an error with several. */
  header(name: string): string | undefined
}

export type WireConnection = AsyncDisposable & {
  send(bytes: string | Uint8Array): Promise<void>
  /** The next answer. `method` is that of the request: HEAD has no body. Rejects when the connection ends first. */
  receive(method?: string): Promise<WireAnswer>
  /** Resolves when the server has ended the connection, with the bytes that no answer used. */
  readonly ended: Promise<Buffer>
  /** Sends FIN, still reads. */
  finish(): void
  /** Sends RST. */
  reset(): void
}

export type WireTarget = { readonly port: number; readonly host?: string; readonly trust?: string }

/** Bytes as they arrive, and a wait for more of them. */
class Inbox {
  #chunks: Buffer[] = []
  #length = 0
  #isEnded = false
  #wake: () => void = () => undefined

  push(chunk: Buffer): void {
    this.#chunks.push(chunk)
    this.#length += chunk.length
    this.#wake()
  }

  end(): void {
    this.#isEnded = true
    this.#wake()
  }

  /** Joined only when somebody looks, so that a large body is not copied for each chunk. */
  get bytes(): Buffer {
    if (this.#chunks.length !== 1) this.#chunks = [Buffer.concat(this.#chunks)]
    return this.#chunks[0]!
  }

  get isEnded(): boolean {
    return this.#isEnded
  }

  async more(): Promise<void> {
    if (this.#isEnded) throw new Error(`the connection ended after ${this.#length} bytes of an answer`)
    await new Promise<void>((resolve) => {
      this.#wake = resolve
    })
  }

  async take(count: number): Promise<Buffer> {
    while (this.#length < count) await this.more()
    const bytes = this.bytes
    this.#chunks = [bytes.subarray(count)]
    this.#length -= count
    return bytes.subarray(0, count)
  }

  async takeLine(end = '\r\n'): Promise<string> {
    for (;;) {
      const at = this.bytes.indexOf(end)
      if (at >= 0) return (await this.take(at + end.length)).subarray(0, at).toString('latin1')
      await this.more()
    }
  }

  async takeRest(): Promise<Buffer> {
    while (!this.#isEnded) await this.more()
    return this.take(this.#length)
  }
}

async function takeChunked(inbox: Inbox): Promise<Buffer> {
  const chunks: Buffer[] = []
  for (;;) {
    const size = Number.parseInt(await inbox.takeLine(), 16)
    if (Number.isNaN(size)) throw new Error('not a chunk size')
    if (size > 0) chunks.push(await inbox.take(size))
    const trailer = await inbox.takeLine()
    if (size === 0) {
      for (let line = trailer; line !== ''; line = await inbox.takeLine());
      return Buffer.concat(chunks)
    }
  }
}

async function receiveAnswer(inbox: Inbox, method: string): Promise<WireAnswer> {
  const head = await inbox.takeLine('\r\n\r\n')
  const status = Number(/^HTTP\/1\.[01] (\d{3})(?: |$)/m.exec(head)?.[1])
  if (Number.isNaN(status)) throw new Error(`not an answer: ${head.slice(0, 100)}`)
  const headers = (name: string) => {
    const start = `${name.toLowerCase()}:`
    const lines = head.split('\r\n').filter((line) => line.toLowerCase().startsWith(start))
    return lines.map((line) => line.slice(start.length).trim())
  }
  const header = (name: string) => {
    const values = headers(name)
    if (values.length > 1) throw new Error(`${name} came ${values.length} times`)
    return values[0]
  }
  const takeBody = () => {
    if (method === 'HEAD' || status === 204 || status === 304 || status < 200) return Buffer.alloc(0)
    if (header('transfer-encoding') === 'chunked') return takeChunked(inbox)
    const length = header('content-length')
    return length === undefined ? inbox.takeRest() : inbox.take(Number(length))
  }
  return { status, head, body: await takeBody(), headers, header }
}

export async function openWire(target: WireTarget): Promise<WireConnection> {
  const { port, host = '127.0.0.1', trust } = target
  const socket: Socket = trust === undefined ? connect(port, host) : connectTls({ port, host, ca: trust })
  const inbox = new Inbox()
  socket.on('data', (chunk: Buffer) => inbox.push(chunk))
  const ended = new Promise<Buffer>((resolve) => {
    socket.on('close', () => {
      inbox.end()
      resolve(inbox.bytes)
    })
  })
  await new Promise<void>((resolve, reject) => {
    socket.once(trust === undefined ? 'connect' : 'secureConnect', resolve)
    socket.once('error', reject)
  })
  socket.on('error', () => undefined) // shows as an early end
  return {
    send: (bytes) => new Promise((resolve) => socket.write(bytes, () => resolve())),
    receive: (method = 'GET') => receiveAnswer(inbox, method),
    ended,
    finish: () => void socket.end(),
    reset: () => void socket.resetAndDestroy(),
    [Symbol.asyncDispose]: async () => {
      socket.destroy()
      await ended
    },
  }
}

/** One request on a connection of its own. `request` is its text up to the body, lines ended by \n for the reader's sake. */
export async function ask(target: WireTarget, request: string, body: string | Uint8Array = ''): Promise<WireAnswer> {
  await using wire = await openWire(target)
  await wire.send(Buffer.concat([Buffer.from(request.replace(/\r?\n/g, '\r\n')), Buffer.from(body)]))
  return await wire.receive(request.slice(0, request.indexOf(' ')))
}
