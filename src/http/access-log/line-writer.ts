// Lines into a file or onto stdout, behind the back of whoever writes them: they wait in memory within a bound, and past it they are
// dropped and counted. A reader that stops never stops an answer.

import { close, open, write } from 'node:fs'
import { promisify } from 'node:util'

const openFile = promisify(open)
const closeFile = promisify(close)

export type LineWriterOptions = {
  /** Undefined: stdout. */
  readonly path: string | undefined
  readonly maxWaitingBytes: number
  /** Lines wait for so long at most while the disk keeps up. */
  readonly flushMs: number
  readonly onError: (error: unknown) => void
}

export const lineWriterDefaults = { maxWaitingBytes: 4 * 1024 * 1024, flushMs: 200 } as const

const stdout = 1
const retryMs = 100
/** What a stop waits for at most. */
const stopMs = 2_000

export class LineWriter implements AsyncDisposable {
  readonly #options: LineWriterOptions
  #waiting: string[] = []
  /** Of the last write, what the other side did not take. */
  #rest: Buffer = Buffer.alloc(0)
  #waitingLength = 0
  #dropped = 0
  #fd: number | undefined
  #mustReopen = false
  #isFailing = false
  #timer: Timer | undefined
  #writing: Promise<void> | undefined

  constructor(options: LineWriterOptions) {
    this.#options = options
  }

  /** Rejects when the file cannot be opened at all. */
  static async open(options: LineWriterOptions): Promise<LineWriter> {
    const writer = new LineWriter(options)
    await writer.#fileDescriptor()
    return writer
  }

  /** Lines that were lost, because too many waited. */
  get dropped(): number {
    return this.#dropped
  }

  write(line: string): void {
    if (this.#waitingLength + line.length > this.#options.maxWaitingBytes) {
      this.#dropped++
      return
    }
    this.#waiting.push(line)
    this.#waitingLength += line.length
    this.#timer ??= setTimeout(() => this.#flushSoon(), this.#options.flushMs)
  }

  /** The next line goes to a file opened anew: somebody has moved this one away. */
  reopen(): void {
    this.#mustReopen = true
  }

  #flushSoon(): void {
    this.#timer = undefined
    this.#writing ??= this.#writeAll().finally(() => {
      this.#writing = undefined
      if (this.#waitingLength > 0) this.#timer ??= setTimeout(() => this.#flushSoon(), retryMs)
    })
  }

  async #writeAll(): Promise<void> {
    while (this.#waiting.length > 0 || this.#rest.length > 0) {
      const bytes = Buffer.concat([this.#rest, Buffer.from(this.#waiting.join(''))])
      const length = this.#waitingLength
      this.#waiting = []
      this.#rest = await this.#writeBytes(bytes)
      // Room is given back for what is written only: a disk that hangs holds no more than the bound.
      this.#waitingLength += this.#rest.length - length
      if (this.#rest.length > 0) return
    }
  }

  /** Resolves to what could not be written now. */
  async #writeBytes(bytes: Buffer): Promise<Buffer> {
    let rest = bytes
    try {
      const fd = await this.#fileDescriptor()
      while (rest.length > 0) rest = rest.subarray(await writeSome(fd, rest))
      this.#isFailing = false
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN' && !this.#isFailing) {
        this.#isFailing = true
        this.#options.onError(error)
      }
    }
    return rest
  }

  async #fileDescriptor(): Promise<number> {
    const { path } = this.#options
    if (path === undefined) return stdout
    if (this.#fd !== undefined && !this.#mustReopen) return this.#fd
    const opened = await openFile(path, 'a', 0o640)
    const old = this.#fd
    this.#fd = opened
    this.#mustReopen = false
    if (old !== undefined) await closeFile(old)
    return opened
  }

  /** Writes what waits, unless whoever reads it has stopped. */
  async [Symbol.asyncDispose](): Promise<void> {
    clearTimeout(this.#timer)
    this.#timer = undefined
    const written = (async () => {
      await this.#writing
      clearTimeout(this.#timer)
      await this.#writeAll()
    })()
    let giveUp: Timer | undefined
    await Promise.race([written, new Promise<void>((resolve) => (giveUp = setTimeout(resolve, stopMs)))])
    clearTimeout(giveUp)
    clearTimeout(this.#timer)
    if (this.#fd !== undefined && !this.#writing) await closeFile(this.#fd)
  }
}

function writeSome(fd: number, bytes: Buffer): Promise<number> {
  return new Promise((resolve, reject) =>
    write(fd, bytes, (error, written) => (error ? reject(error) : resolve(written))),
  )
}
