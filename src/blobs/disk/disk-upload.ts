// An unfinished blob: `uploads/<id>` holds the bytes, `uploads/<id>.json` whose it is. Both survive a restart; the running hash
// does not and is made again from the bytes.

import { constants } from 'node:fs'
import { type FileHandle, open, readFile, stat, unlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type BlobStat, DigestMismatch, StorageFull, type Upload, UploadBusy } from '#blobs/blob-store.ts'
import { type DigestHasher, openHasher } from '#blobs/hashing.ts'
import { algorithmOf, type Digest, type DigestAlgorithm } from '#oci/digest.ts'
import { BatchWriter } from './batch-writer.ts'
import { asStorageError, isMissing } from './write-fully.ts'

/** One read of a file whose hash is made again. */
const readBytes = 1 << 18

export type UploadAbout = { readonly repository: string; readonly algorithm: DigestAlgorithm }
/** Moves a verified file into its place in the store. */
export type Adopt = (digest: Digest, path: string, sizeBytes: number) => Promise<void>

export class DiskUpload implements Upload {
  readonly id: string
  readonly repository: string
  readonly algorithm: DigestAlgorithm
  readonly #path: string
  readonly #adopt: Adopt
  readonly #forget: () => void
  #offset: number
  #hasher: DigestHasher | undefined
  #isBusy = false

  private constructor(
    folder: string,
    id: string,
    about: UploadAbout,
    offset: number,
    adopt: Adopt,
    forget: () => void,
  ) {
    this.id = id
    this.repository = about.repository
    this.algorithm = about.algorithm
    this.#path = join(folder, id)
    this.#offset = offset
    this.#hasher = offset === 0 ? openHasher(about.algorithm) : undefined
    this.#adopt = adopt
    this.#forget = forget
  }

  static async start(
    folder: string,
    id: string,
    about: UploadAbout,
    adopt: Adopt,
    forget: () => void,
  ): Promise<DiskUpload> {
    try {
      await writeFile(join(folder, `${id}.json`), JSON.stringify(about), { flag: 'wx', mode: 0o600 })
      await writeFile(join(folder, id), '', { flag: 'wx', mode: 0o600 })
    } catch (error) {
      await unlink(join(folder, `${id}.json`)).catch(() => undefined)
      throw asStorageError(error)
    }
    return new DiskUpload(folder, id, about, 0, adopt, forget)
  }

  static async resume(folder: string, id: string, adopt: Adopt, forget: () => void): Promise<DiskUpload | undefined> {
    try {
      const about = JSON.parse(await readFile(join(folder, `${id}.json`), 'utf8')) as UploadAbout
      return new DiskUpload(folder, id, about, (await stat(join(folder, id))).size, adopt, forget)
    } catch (error) {
      // A crash between the two creations leaves a torn description: such an upload never was acknowledged.
      if (isMissing(error) || error instanceof SyntaxError) return undefined
      throw error
    }
  }

  get offset(): number {
    return this.#offset
  }

  async append(chunks: AsyncIterable<Uint8Array>): Promise<number> {
    return await this.#alone(async () => {
      const file = await open(this.#path, constants.O_RDWR)
      try {
        await this.#take(file, chunks)
      } catch (error) {
        const cause = asStorageError(error)
        if (cause instanceof StorageFull) await this.#discard()
        throw cause
      } finally {
        await file.close()
      }
      return this.#offset
    })
  }

  async finish(digest: Digest): Promise<BlobStat> {
    return await this.#alone(async () => {
      const isOtherAlgorithm = algorithmOf(digest) !== this.algorithm
      const hasher = isOtherAlgorithm ? await hashFile(this.#path, algorithmOf(digest)) : await this.#runningHash()
      const actual = hasher.digest()
      this.#hasher = undefined
      if (actual !== digest) {
        await this.#discard()
        throw new DigestMismatch(digest, actual)
      }
      await this.#adopt(digest, this.#path, this.#offset).catch((error) => {
        throw asStorageError(error)
      })
      await this.#discard()
      return { sizeBytes: this.#offset }
    })
  }

  async cancel(): Promise<void> {
    await this.#alone(() => this.#discard())
  }

  async #take(file: FileHandle, chunks: AsyncIterable<Uint8Array>): Promise<void> {
    const hasher = await this.#runningHash()
    const writer = new BatchWriter(file, this.#offset)
    const from = this.#offset
    try {
      try {
        for await (const chunk of chunks) {
          hasher.update(chunk)
          await writer.add(chunk)
          this.#offset = writer.position
        }
      } finally {
        await writer.end()
      }
      this.#offset = writer.position
    } catch (error) {
      // The source may have broken, then all that came is on disk; or a write did, then only the file knows how far it got.
      this.#hasher = undefined
      this.#offset = Math.max(from, (await file.stat()).size)
      throw error
    }
  }

  async #runningHash(): Promise<DigestHasher> {
    this.#hasher ??= await hashFile(this.#path, this.algorithm)
    return this.#hasher
  }

  async #discard(): Promise<void> {
    this.#forget()
    for (const path of [this.#path, `${this.#path}.json`]) {
      await unlink(path).catch((error) => {
        if (!isMissing(error)) throw error
      })
    }
  }

  async #alone<T>(work: () => Promise<T>): Promise<T> {
    if (this.#isBusy) throw new UploadBusy(`upload ${this.id} is being written by another request`)
    this.#isBusy = true
    try {
      return await work()
    } finally {
      this.#isBusy = false
    }
  }
}

/** Makes the bytes of a finished file durable, readable by all; the caller renames it and syncs the folder. */
export async function syncFile(path: string): Promise<void> {
  const file = await open(path, constants.O_RDWR)
  try {
    await file.chmod(0o644)
    await file.sync()
  } finally {
    await file.close()
  }
}

export async function hashFile(path: string, algorithm: DigestAlgorithm): Promise<DigestHasher> {
  const hasher = openHasher(algorithm)
  const file = await open(path, constants.O_RDONLY)
  try {
    const buffer = new Uint8Array(readBytes)
    for (let at = 0; ; ) {
      const { bytesRead } = await file.read(buffer, 0, buffer.length, at)
      if (bytesRead === 0) return hasher
      hasher.update(buffer.subarray(0, bytesRead))
      at += bytesRead
    }
  } finally {
    await file.close()
  }
}
