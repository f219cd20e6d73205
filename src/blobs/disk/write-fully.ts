import type { FileHandle } from 'node:fs/promises'
import { StorageFull } from '#blobs/blob-store.ts'

export function isMissing(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException | undefined)?.code
  return code === 'ENOENT' || code === 'ENOTDIR'
}

/** ENOSPC and EDQUOT become StorageFull; everything else passes. */
export function asStorageError(error: unknown): unknown {
  const code = (error as NodeJS.ErrnoException | undefined)?.code
  return code === 'ENOSPC' || code === 'EDQUOT'
    ? new StorageFull(`no space left on the device (${code})`, { cause: error })
    : error
}

/** Writes all of `chunks` at `position`; a short write goes on where it stopped. */
export async function writeFully(file: FileHandle, chunks: readonly Uint8Array[], position: number): Promise<void> {
  let rest = chunks
  let at = position
  while (rest.length > 0) {
    const { bytesWritten } = await file.writev(rest as Uint8Array[], at)
    if (bytesWritten === 0) throw new StorageFull('the device took no more bytes')
    at += bytesWritten
    let skip = bytesWritten
    let index = 0
    while (index < rest.length && skip >= rest[index]!.length) skip -= rest[index++]!.length
    rest = skip === 0 ? rest.slice(index) : [rest[index]!.subarray(skip), ...rest.slice(index + 1)]
  }
}
