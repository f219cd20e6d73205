// Where snapshots come from: a folder on this machine, or another role over https. Both look the same from here.
import { constants } from 'node:fs'
import { copyFile, type FileHandle, link, lstat, open } from 'node:fs/promises'
import { join } from 'node:path'

export type SnapshotSource = {
  /** Undefined when there is nothing there, or nothing new since `etag`. Throws when it is larger than `maxBytes`. */
  read(
    path: string,
    etag: string | undefined,
    maxBytes?: number,
  ): Promise<{ readonly etag: string; readonly bytes: Uint8Array } | undefined>
  /** Puts an immutable file of this size at `target`, where nothing is yet. Its bytes are checked by whoever asked. */
  fetch(path: string, target: string, sizeBytes: number): Promise<void>
}

const isMissing = (error: unknown) => (error as NodeJS.ErrnoException).code === 'ENOENT'
/** Whatever lies there: a pipe that nobody writes to is not waited for, a link leads nowhere. */
const plainFlags = constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW

/** A folder whose files are replaced by rename, so that none is ever seen half-written. Others may write it: what is no plain file is
 *  refused, and nothing is read beyond the size that was asked for. `isOurs`: nobody writes over what lies there, so what is fetched
 *  may be the same file. */
export function folderSource(folder: string, { isOurs = false } = {}): SnapshotSource {
  return {
    async read(path, etag, maxBytes = Number.MAX_SAFE_INTEGER) {
      const handle = await openPlain(folder, path)
      if (!handle) return undefined
      try {
        const found = await handle.stat({ bigint: true })
        if (!found.isFile()) throw new Error(`${path} is no plain file`)
        const current = `${found.ino}-${found.mtimeNs}-${found.size}`
        if (current === etag) return undefined
        if (found.size > maxBytes) throw new Error(`${path} has ${found.size} bytes, more than ${maxBytes}`)
        return { etag: current, bytes: await handle.readFile() }
      } finally {
        await handle.close()
      }
    },
    async fetch(path, target, sizeBytes) {
      const from = join(folder, path)
      const found = await lstat(from)
      if (!found.isFile() || found.size !== sizeBytes) throw new FileUnlike(path, sizeBytes)
      // A link keeps the bytes when the publisher thins out old packs; another file system, or one without links, copies.
      const isLinked = isOurs && (await linked(from, target))
      if (!isLinked) await copyFile(from, target, constants.COPYFILE_FICLONE)
    },
  }
}

async function linked(from: string, target: string): Promise<boolean> {
  try {
    await link(from, target)
    return true
  } catch (error) {
    if (isMissing(error)) throw error
    return false
  }
}

/** Something else lies where an immutable file should be. */
export class FileUnlike extends Error {
  override readonly name = 'FileUnlike'
  constructor(path: string, sizeBytes: number) {
    super(`${path} is no plain file of ${sizeBytes} bytes`)
  }
}

async function openPlain(folder: string, path: string): Promise<FileHandle | undefined> {
  try {
    return await open(join(folder, path), plainFlags)
  } catch (error) {
    if (isMissing(error)) return undefined
    if ((error as NodeJS.ErrnoException).code === 'ELOOP')
      throw new Error(`${path} is a symbolic link`, { cause: error })
    throw error
  }
}
