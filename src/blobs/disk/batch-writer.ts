// Many small chunks become few large writes, from two buffers of its own: one fills while the other is written. Chunks are copied,
// so that whoever made them may take their memory back as soon as the next one is asked for.

import type { FileHandle } from 'node:fs/promises'
import { releaseBytes } from '#kit/release-bytes.ts'
import { writeFully } from './write-fully.ts'

/** Large enough that the thread pool is asked rarely, small enough for a hundred uploads at once. */
const batchBytes = 1 << 18
/** The kernel is asked to write back this often, so that the last fsync has little left to wait for. */
const writeBackBytes = 32 << 20

export class BatchWriter {
  readonly #file: FileHandle
  #filling = Buffer.allocUnsafeSlow(batchBytes)
  #spare: Buffer<ArrayBuffer> | undefined
  #filled = 0
  #position: number
  #inFlight: Promise<void> = Promise.resolve()
  #writeBack: Promise<void> = Promise.resolve()
  #sinceWriteBack = 0

  constructor(file: FileHandle, position: number) {
    this.#file = file
    this.#position = position
  }

  /** Where the next write begins; what was added after that is still held here. */
  get position(): number {
    return this.#position
  }

  async add(chunk: Uint8Array): Promise<void> {
    for (let at = 0; at < chunk.length; ) {
      const part = chunk.subarray(at, at + batchBytes - this.#filled)
      this.#filling.set(part, this.#filled)
      this.#filled += part.length
      at += part.length
      if (this.#filled === batchBytes) await this.#flush()
    }
  }

  /** Writes what is left and waits for all of it; throws what any write met. Nothing may be added afterwards. */
  async end(): Promise<void> {
    try {
      if (this.#filled > 0) await this.#flush()
      await this.#inFlight
      await this.#writeBack
    } finally {
      await Promise.allSettled([this.#inFlight, this.#writeBack])
      releaseBytes(this.#filling)
      if (this.#spare) releaseBytes(this.#spare)
    }
  }

  async #flush(): Promise<void> {
    await this.#inFlight
    const [full, length, position] = [this.#filling, this.#filled, this.#position]
    this.#filling = this.#spare ?? Buffer.allocUnsafeSlow(batchBytes)
    this.#spare = full
    this.#filled = 0
    this.#position += length
    this.#inFlight = writeFully(this.#file, [full.subarray(0, length)], position)
    this.#inFlight.catch(() => undefined)
    this.#sinceWriteBack += length
    if (this.#sinceWriteBack < writeBackBytes) return
    this.#sinceWriteBack = 0
    await this.#writeBack
    this.#writeBack = this.#file.datasync()
    this.#writeBack.catch(() => undefined)
  }
}
