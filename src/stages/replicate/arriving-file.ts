// A part file, its length and the digest of what it has so far.

import { createHash, type Hash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import type { FileHandle } from 'node:fs/promises'
import { algorithmOf, type Digest, hexOf } from '#oci/digest.ts'

export type WantedFile = { readonly path: string; readonly sizeBytes: number; readonly digest: Digest }

export class ArrivingFile {
  readonly #file: WantedFile
  readonly #handle: FileHandle
  readonly #report: (sizeBytes: number) => void
  #hash: Hash
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
    if (size > this.#file.sizeBytes) return this.restart()
    if (size > 0) for await (const chunk of createReadStream(part)) this.#count(chunk as Buffer)
  }

  async restart(): Promise<void> {
    this.sizeBytes = 0
    this.#report(0)
    this.#hash = createHash(algorithmOf(this.#file.digest))
    await this.#handle.truncate(0)
  }

  async append(chunk: Uint8Array): Promise<void> {
    await this.#handle.writeFile(chunk)
    this.#count(chunk)
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
