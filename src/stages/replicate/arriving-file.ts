// A part file, its length and the digest of what it has so far.

import { createHash, type Hash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import type { FileHandle } from 'node:fs/promises'
import { algorithmOf, type Digest, hexOf } from '#oci/digest.ts'

export type WantedFile = { readonly path: string; readonly sizeBytes: number; readonly digest: Digest }

/** Written at once: each write is a way to another thread and back, which costs a small file more than its bytes do. */
const bufferBytes = 256 * 1024

export class ArrivingFile {
  readonly #file: WantedFile
  readonly #handle: FileHandle
  readonly #report: (sizeBytes: number) => void
  #hash: Hash
  #buffered: Uint8Array[] = []
  #bufferedBytes = 0
  /** What lies in the part file is more than the file has. */
  #isTooLong = false
  sizeBytes = 0

  /** `report` is told how much has arrived, after each change. */
  constructor(file: WantedFile, handle: FileHandle, report: (sizeBytes: number) => void) {
    this.#file = file
    this.#handle = handle
    this.#report = report
    this.#hash = createHash(algorithmOf(file.digest))
  }

  async resume(part: string): Promise<void> {
    const { size } = await this.#handle.stat()
    this.#isTooLong = size > this.#file.sizeBytes
    if (this.#isTooLong) return this.restart()
    if (size > 0) for await (const chunk of createReadStream(part)) this.#count(chunk as Buffer)
  }

  async restart(): Promise<void> {
    this.#buffered = []
    this.#bufferedBytes = 0
    if (this.sizeBytes === 0 && !this.#isTooLong) return
    this.sizeBytes = 0
    this.#isTooLong = false
    this.#report(0)
    this.#hash = createHash(algorithmOf(this.#file.digest))
    await this.#handle.truncate(0)
  }

  /** To be followed by `flush`. */
  async append(chunk: Uint8Array): Promise<void> {
    this.#buffered.push(chunk)
    this.#bufferedBytes += chunk.length
    this.#count(chunk)
    if (this.#bufferedBytes >= bufferBytes) await this.flush()
  }

  /** All that came is in the part file. */
  async flush(): Promise<void> {
    if (this.#bufferedBytes === 0) return
    const bytes = this.#buffered.length === 1 ? this.#buffered[0]! : Buffer.concat(this.#buffered)
    this.#buffered = []
    this.#bufferedBytes = 0
    await this.#handle.writeFile(bytes)
  }

  isRight(): boolean {
    return this.sizeBytes === this.#file.sizeBytes && this.#hash.digest('hex') === hexOf(this.#file.digest)
  }

  #count(chunk: Uint8Array): void {
    this.#hash.update(chunk)
    this.sizeBytes += chunk.length
    this.#report(this.sizeBytes)
  }
}
