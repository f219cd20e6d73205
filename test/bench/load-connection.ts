// One keep-alive connection of the load generator: raw bytes out, answers counted, nothing kept that is not asked for. It must never
// be the slower side, so it neither parses more than a status, a length and a few headers, nor copies a body.

import type { Socket } from 'bun'

export type LoadAnswer = { readonly status: number; readonly head: string; readonly bodyBytes: number }

type Waiting = { readonly isHead: boolean; resolve(answer: LoadAnswer): void; reject(error: Error): void }

const headEnd = Buffer.from('\r\n\r\n')

export class LoadConnection {
  #socket: Socket | undefined
  #waiting: Waiting | undefined
  #drained: (() => void) | undefined
  #head: Buffer | undefined
  #answer: { status: number; head: string; bodyBytes: number; left: number } | undefined

  static async open(port: number): Promise<LoadConnection> {
    const connection = new LoadConnection()
    connection.#socket = await Bun.connect({
      hostname: '127.0.0.1',
      port,
      socket: {
        data: (_, chunk) => connection.#receive(chunk),
        drain: () => connection.#drained?.(),
        close: () => connection.#fail(new Error('the server closed the connection')),
        error: (_, error) => connection.#fail(error),
      },
    })
    connection.#socket.setNoDelay(true)
    return connection
  }

  close(): void {
    this.#socket?.end()
  }

  /** Sends a head and the pieces of a body; resolves to the answer when its last byte came. */
  async ask(head: string, pieces: Iterable<Uint8Array> = []): Promise<LoadAnswer> {
    const answer = new Promise<LoadAnswer>((resolve, reject) => {
      this.#waiting = { isHead: head.startsWith('HEAD '), resolve, reject }
    })
    answer.catch(() => undefined)
    await this.#write(Buffer.from(head))
    for (const piece of pieces) await this.#write(piece)
    return answer
  }

  async #write(bytes: Uint8Array): Promise<void> {
    for (let sent = 0; sent < bytes.length; ) {
      const now = this.#socket!.write(bytes, sent, bytes.length - sent)
      if (now < 0) throw new Error('the server closed the connection')
      sent += now
      if (sent === bytes.length) return
      await new Promise<void>((resolve) => {
        this.#drained = resolve
      })
    }
  }

  #fail(error: Error): void {
    this.#waiting?.reject(error)
    this.#waiting = undefined
    this.#drained?.()
  }

  #receive(chunk: Buffer): void {
    let rest = chunk
    if (this.#answer === undefined) {
      const joined = this.#head ? Buffer.concat([this.#head, chunk]) : chunk
      const end = joined.indexOf(headEnd)
      if (end < 0) {
        this.#head = joined
        return
      }
      this.#head = undefined
      this.#answer = readHead(joined.toString('latin1', 0, end), this.#waiting?.isHead === true)
      rest = joined.subarray(end + headEnd.length)
    }
    const answer = this.#answer
    answer.bodyBytes += rest.length
    answer.left -= rest.length
    if (answer.left > 0) return
    this.#answer = undefined
    const waiting = this.#waiting
    this.#waiting = undefined
    waiting?.resolve(answer)
  }
}

function readHead(head: string, isHead: boolean) {
  const status = Number(head.slice(9, 12))
  const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1]
  if (/\r\ntransfer-encoding/i.test(head)) throw new Error('the load generator reads no chunks')
  return { status, head, bodyBytes: 0, left: isHead || status === 204 ? 0 : Number(length ?? 0) }
}

export function headerOf(answer: LoadAnswer, name: string): string {
  const value = new RegExp(`\\r\\n${name}: *([^\\r]*)`, 'i').exec(answer.head)?.[1]
  if (value === undefined) throw new Error(`no ${name} in:\n${answer.head}`)
  return value
}
