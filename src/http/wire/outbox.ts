// What one socket has still to send. Text gathers until `flush`, so that the answers of one turn leave in one write.
export type OutboxSocket = { write(data: string | Uint8Array, byteOffset?: number, byteLength?: number): number }

export type WireSocket = OutboxSocket & {
  pause(): void
  resume(): void
  /** Sends FIN; what still arrives is read. */
  shutdown(): void
  end(): void
  terminate(): void
}

/** Where a head and the bytes behind it are put side by side for one write; used within one turn only, so one is enough. */
let scratch: Buffer | undefined
const scratchBytes = 64 * 1024

export class Outbox {
  readonly #socket: OutboxSocket
  /** Told whenever bytes wait for the client, and whenever it took some. */
  readonly #onProgress: () => void
  /** ASCII only, so that its length is its number of bytes. */
  #text = ''
  #unsent: Uint8Array | undefined
  #onRoom: ((isOpen: boolean) => void) | undefined
  #isClosed = false

  constructor(socket: OutboxSocket, onProgress: () => void) {
    this.#socket = socket
    this.#onProgress = onProgress
  }

  /** The client is slower than we are. */
  get isBlocked(): boolean {
    return this.#unsent !== undefined
  }

  add(text: string): void {
    this.#text += text
    if (this.#text.length > 64 * 1024) this.flush()
  }

  flush(): void {
    const text = this.#text
    if (text.length === 0) return
    this.#text = ''
    if (this.#unsent) {
      this.#keep(Buffer.from(text, 'latin1'), 0)
      return
    }
    const written = this.#socket.write(text)
    if (written < text.length) this.#keep(Buffer.from(text, 'latin1'), written)
  }

  /** `bytes` in one write with the text before them. They are not copied: they must stay as they are until there is room. */
  send(bytes: Uint8Array): void {
    const text = this.#text
    const length = text.length + bytes.length
    if (text.length > 0 && length <= scratchBytes && !this.#unsent) {
      this.#text = ''
      this.#sendJoined(text, bytes, length)
      return
    }
    this.flush()
    this.#keep(bytes, this.#unsent ? 0 : this.#socket.write(bytes))
  }

  #sendJoined(text: string, bytes: Uint8Array, length: number): void {
    scratch ??= Buffer.allocUnsafeSlow(scratchBytes)
    scratch.write(text, 0, 'latin1')
    scratch.set(bytes, text.length)
    const written = this.#socket.write(scratch, 0, length)
    if (written >= 0 && written < length) this.#keep(Buffer.from(scratch.subarray(written, length)), 0)
  }

  /** True: there is room for more. False: the client is gone. */
  write(bytes: Uint8Array): boolean | Promise<boolean> {
    if (this.#isClosed) return false
    this.#onProgress()
    this.send(bytes)
    if (!this.#unsent) return true
    return new Promise((resolve) => {
      this.#onRoom = resolve
    })
  }

  /** The socket takes bytes again. True when all have left and nobody waited to write more. */
  drain(): boolean {
    const bytes = this.#unsent
    if (!bytes) return false
    this.#unsent = undefined
    this.#keep(bytes, this.#socket.write(bytes))
    if (this.#unsent) return false
    const onRoom = this.#onRoom
    this.#onRoom = undefined
    onRoom?.(true)
    return onRoom === undefined
  }

  close(): void {
    this.#isClosed = true
    this.#unsent = undefined
    this.#text = ''
    const onRoom = this.#onRoom
    this.#onRoom = undefined
    onRoom?.(false)
  }

  #keep(bytes: Uint8Array, written: number): void {
    // A closed socket says -1; its `close` follows.
    if (written < 0 || written >= bytes.length) return
    const rest = bytes.subarray(written)
    this.#unsent = this.#unsent ? Buffer.concat([this.#unsent, rest]) : rest
    this.#onProgress()
  }
}
