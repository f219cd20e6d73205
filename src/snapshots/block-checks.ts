// The block checks of a channel as a front door looks them up: on disk, when it must probe. A set of files is immutable; a new one takes
// its place whole while look-ups in the old one go on.

import { join } from 'node:path'
import { hashFile } from '#kit/hash-file.ts'
import { type Digest, hexOf } from '#oci/digest.ts'
import { type CheckFile, type CheckFiles, CheckFilesRefused } from './check-files.ts'
import { nameOf, openRecord, type Sealer } from './check-record.ts'
import { OpenCheckFile } from './open-check-file.ts'

/** The checks of a blob and the key they were made with. */
export type FoundChecks<Key> = { readonly checks: Uint8Array; readonly key: Key }
/** Undefined: nobody knows here. */
export type FindBlockChecks<Key> = { find(digest: Digest): Promise<FoundChecks<Key> | undefined> }

type Opened = { readonly about: CheckFile; readonly file: OpenCheckFile }

export class BlockChecks<Key extends Sealer> implements FindBlockChecks<Key>, AsyncDisposable {
  readonly key: Key
  readonly #opened: readonly Opened[]
  #lookups = 0
  #isClosing = false

  private constructor(opened: readonly Opened[], key: Key) {
    this.#opened = opened
    this.key = key
  }

  /** Opens and verifies what the document names; files that `before` has verified are not read again. `folder`: where the document
   *  lies. Throws, and leaves nothing open, when one is missing or not what is told. */
  static async open<Key extends Sealer>(
    folder: string,
    { files }: CheckFiles,
    key: Key,
    before?: BlockChecks<Key>,
  ): Promise<BlockChecks<Key>> {
    const opened: Opened[] = []
    try {
      for (const about of files) {
        const path = join(folder, about.path)
        opened.push({ about, file: await OpenCheckFile.open(path, about.sizeBytes) })
        if (!before?.hasVerified(about) && (await hashFile(path, 'sha256')) !== hexOf(about.digest))
          throw new CheckFilesRefused(`${about.path} is refused: it is damaged`)
      }
    } catch (error) {
      for (const { file } of opened) await file[Symbol.asyncDispose]()
      throw error
    }
    return new BlockChecks(opened, key)
  }

  hasVerified({ path, digest, sizeBytes }: CheckFile): boolean {
    return this.#opened.some(
      ({ about }) => about.path === path && about.digest === digest && about.sizeBytes === sizeBytes,
    )
  }

  async find(digest: Digest): Promise<FoundChecks<Key> | undefined> {
    if (this.#isClosing) return undefined
    this.#lookups++
    try {
      const name = nameOf(digest)
      for (const { file } of this.#opened.toReversed()) {
        const record = await file.find(name)
        if (!record) continue
        const checks = openRecord(record, this.key)
        return checks && { checks, key: this.key }
      }
      return undefined
    } finally {
      if (--this.#lookups === 0 && this.#isClosing) await this.#close()
    }
  }

  /** Closes when the look-ups that are under way are over. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isClosing) return
    this.#isClosing = true
    if (this.#lookups === 0) await this.#close()
  }

  async #close(): Promise<void> {
    for (const { file } of this.#opened) await file[Symbol.asyncDispose]()
  }
}
