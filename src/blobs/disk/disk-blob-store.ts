import { randomUUID } from 'node:crypto'
import { constants } from 'node:fs'
import { copyFile, link, open, readdir, rename, rm, stat, unlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import {
  type BlobBody,
  type BlobStat,
  type BlobStore,
  type ByteRange,
  DigestMismatch,
  type RepairListener,
  type Upload,
} from '#blobs/blob-store.ts'
import { digestOf } from '#blobs/hashing.ts'
import { makeFolder, syncFolder, temporaryPath } from '#kit/atomic-file.ts'
import { algorithmOf, blobPath, type Digest, type DigestAlgorithm, digestAlgorithms, parseDigest } from '#oci/digest.ts'
import { DiskUpload, hashFile, syncFile } from './disk-upload.ts'
import { openBlobFile, statBlobFile } from './open-blob-file.ts'
import { asStorageError, isMissing, writeFully } from './write-fully.ts'

const uploadId = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/

export class DiskBlobStore implements BlobStore {
  readonly #root: string
  readonly #uploadsFolder: string
  readonly #live = new Map<string, DiskUpload>()
  readonly #folders = new Set<string>()
  readonly #repairListeners: RepairListener[] = []

  private constructor(root: string) {
    this.#root = root
    this.#uploadsFolder = join(root, 'uploads')
  }

  static async open(root: string): Promise<DiskBlobStore> {
    const store = new DiskBlobStore(root)
    await makeFolder(join(root, 'blobs'))
    await makeFolder(store.#uploadsFolder)
    return store
  }

  stat(digest: Digest): Promise<BlobStat | undefined> {
    return statBlobFile(this.#root, digest)
  }

  open(digest: Digest, range?: ByteRange): Promise<BlobBody | undefined> {
    return openBlobFile(this.#root, digest, range)
  }

  async put(digest: Digest, bytes: Uint8Array): Promise<void> {
    const actual = digestOf(bytes, algorithmOf(digest))
    if (actual !== digest) throw new DigestMismatch(digest, actual)
    const path = join(this.#uploadsFolder, randomUUID())
    try {
      const file = await open(path, constants.O_CREAT | constants.O_EXCL | constants.O_WRONLY, 0o600)
      try {
        if (bytes.length > 0) await writeFully(file, [bytes], 0)
      } finally {
        await file.close()
      }
      await this.#adopt(digest, path, bytes.length)
    } catch (error) {
      throw asStorageError(error)
    } finally {
      await unlink(path).catch(() => undefined)
    }
  }

  async delete(digest: Digest): Promise<boolean> {
    const path = join(this.#root, blobPath(digest))
    try {
      await unlink(path)
    } catch (error) {
      if (isMissing(error)) return false
      throw error
    }
    await syncFolder(dirname(path))
    return true
  }

  async *list(): AsyncIterable<{ digest: Digest; sizeBytes: number }> {
    for (const algorithm of digestAlgorithms) {
      const top = join(this.#root, 'blobs', algorithm)
      for (const prefix of await namesIn(top)) {
        for (const hex of await namesIn(join(top, prefix))) {
          const digest = parseDigest(`${algorithm}:${hex}`)
          const found = digest && (await this.stat(digest))
          if (found) yield { digest, sizeBytes: found.sizeBytes }
        }
      }
    }
  }

  async verify(digest: Digest): Promise<'good' | 'damaged' | 'missing'> {
    try {
      const hasher = await hashFile(join(this.#root, blobPath(digest)), algorithmOf(digest))
      return hasher.digest() === digest ? 'good' : 'damaged'
    } catch (error) {
      if (isMissing(error)) return 'missing'
      throw error
    }
  }

  place(digest: Digest, target: string): Promise<'linked' | 'copied'> {
    return placeFile(join(this.#root, blobPath(digest)), target)
  }

  async startUpload(about: { repository: string; algorithm: DigestAlgorithm }): Promise<Upload> {
    const id = randomUUID()
    const upload = await DiskUpload.start(this.#uploadsFolder, id, about, this.#adoptBound, () => this.#live.delete(id))
    this.#live.set(id, upload)
    return upload
  }

  async findUpload(id: string): Promise<Upload | undefined> {
    if (!uploadId.test(id)) return undefined
    const live = this.#live.get(id)
    if (live) return live
    const resumed = await DiskUpload.resume(this.#uploadsFolder, id, this.#adoptBound, () => this.#live.delete(id))
    if (!resumed) return undefined
    // Two requests may have resumed it at once; only one of the two may write.
    const first = this.#live.get(id)
    if (first) return first
    this.#live.set(id, resumed)
    return resumed
  }

  async *listUploads(): AsyncIterable<{ id: string; modifiedMs: number }> {
    const names = new Set(await namesIn(this.#uploadsFolder))
    for (const name of names) {
      const id = name.replace(/\.json$/, '')
      // Its bytes tell its age; a description without bytes is the rest of one.
      if (!uploadId.test(id) || (name !== id && names.has(id))) continue
      const found = await stat(join(this.#uploadsFolder, name)).catch(() => undefined)
      if (found) yield { id, modifiedMs: found.mtimeMs }
    }
  }

  async dropUpload(id: string): Promise<void> {
    if (!uploadId.test(id)) return
    const upload = await this.findUpload(id)
    if (upload) return await upload.cancel()
    for (const name of [id, `${id}.json`]) await rm(join(this.#uploadsFolder, name), { force: true })
  }

  onRepair(listener: RepairListener): void {
    this.#repairListeners.push(listener)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#live.clear()
  }

  readonly #adoptBound = (digest: Digest, path: string, sizeBytes: number) => this.#adopt(digest, path, sizeBytes)

  async #adopt(digest: Digest, path: string, sizeBytes: number): Promise<void> {
    const target = join(this.#root, blobPath(digest))
    const folder = dirname(target)
    const existing = await this.stat(digest)
    const isGood = existing?.sizeBytes === sizeBytes && (await this.verify(digest)) === 'good'
    if (!isGood) {
      if (!this.#folders.has(folder)) {
        await makeFolder(folder)
        this.#folders.add(folder)
      }
      await syncFile(path)
      if (existing) for (const tell of this.#repairListeners) await tell(digest, (place) => placeFile(path, place))
      await rename(path, target)
    }
    // Also when it was there already: another request may have renamed it a moment ago and not synced yet.
    await syncFolder(folder)
  }
}

async function placeFile(source: string, target: string): Promise<'linked' | 'copied'> {
  const temporary = temporaryPath(target)
  await makeFolder(dirname(target))
  try {
    const how = await linkOrCopy(source, temporary)
    if (how === 'copied') await syncFile(temporary)
    await rename(temporary, target)
    await syncFolder(dirname(target))
    return how
  } catch (error) {
    throw asStorageError(error)
  } finally {
    // rename(2) of two links to one file does nothing and keeps both names.
    await unlink(temporary).catch(() => undefined)
  }
}

async function linkOrCopy(source: string, target: string): Promise<'linked' | 'copied'> {
  try {
    await link(source, target)
    return 'linked'
  } catch (error) {
    // EXDEV: another file system; EMLINK: too many links; EPERM: a file system without hard links.
    if (!['EXDEV', 'EMLINK', 'EPERM', 'ENOTSUP'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error
    await copyFile(source, target)
    return 'copied'
  }
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    return (await readdir(folder)).sort()
  } catch (error) {
    if (isMissing(error)) return []
    throw error
  }
}
