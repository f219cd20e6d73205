// Where snapshots come from: a folder on this machine, or another role over https. Both look the same from here.
import { copyFile, link, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'

export type SnapshotSource = {
  /** Undefined when there is nothing there, or nothing new since `etag`. */
  read(
    path: string,
    etag: string | undefined,
  ): Promise<{ readonly etag: string; readonly bytes: Uint8Array } | undefined>
  /** Puts an immutable file at `target`, where nothing is yet. Its bytes are checked by whoever asked. */
  fetch(path: string, target: string): Promise<void>
}

const isMissing = (error: unknown) => (error as NodeJS.ErrnoException).code === 'ENOENT'

/** A folder whose files are replaced by rename, so that none is ever seen half-written. */
export function folderSource(folder: string): SnapshotSource {
  return {
    async read(path, etag) {
      try {
        const { mtimeNs, ino, size } = await stat(join(folder, path), { bigint: true })
        const current = `${ino}-${mtimeNs}-${size}`
        return current === etag ? undefined : { etag: current, bytes: await readFile(join(folder, path)) }
      } catch (error) {
        if (isMissing(error)) return undefined
        throw error
      }
    },
    async fetch(path, target) {
      const from = join(folder, path)
      // A link keeps the bytes when the publisher thins out old packs; another file system, or one without links, copies.
      await link(from, target).catch((error) => {
        if (isMissing(error)) throw error
        return copyFile(from, target)
      })
    },
  }
}
