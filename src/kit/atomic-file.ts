// Files that are there whole or not at all, after a crash too: temporary name in the same folder, fsync, rename, fsync of
// the folder. Modes are set by chmod, because the umask of whoever starts us must not decide what a web server may read.

import { randomBytes } from 'node:crypto'
import { chmod, type FileHandle, link, mkdir, open, rename, rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'

export const publicFileMode = 0o644
export const publicFolderMode = 0o755

/** Begins with a dot, so that whatever serves or copies the folder can leave all unfinished files out by one rule. */
export function temporaryPath(path: string): string {
  return join(dirname(path), `.${basename(path)}.${randomBytes(8).toString('hex')}.tmp`)
}

export function isTemporaryName(name: string): boolean {
  return name.startsWith('.') && name.endsWith('.tmp')
}

/** Of bytes that somebody else wrote: an fsync reaches them through any handle. */
export async function syncFile(path: string): Promise<void> {
  const handle = await open(path, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

export const syncFolder = syncFile

/** Makes the folder and those above it that are missing, each durable and with exactly this mode; leaves others alone. */
export async function makeFolder(path: string, mode: number = publicFolderMode): Promise<void> {
  try {
    await mkdir(path, { mode })
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'EEXIST') return
    if (code !== 'ENOENT' || dirname(path) === path) throw error
    await makeFolder(dirname(path), mode)
    // Once: there are folders, as /proc, where nothing can be made however often one asks.
    await mkdir(path, { mode }).catch((again: NodeJS.ErrnoException) => {
      if (again.code !== 'EEXIST') throw again
    })
  }
  await chmod(path, mode)
  await syncFolder(dirname(path))
}

/** Opens a temporary file for `path`, lets `write` fill it, and puts it in place; on any error `path` stays as it was. */
export async function writeFileAtomically<T>(
  path: string,
  content: Uint8Array | string | ((handle: FileHandle) => Promise<T>),
  mode: number = publicFileMode,
): Promise<T> {
  const temporary = temporaryPath(path)
  try {
    const written = await fillFile(temporary, content, mode)
    await rename(temporary, path)
    await syncFolder(dirname(path))
    return written as T
  } catch (error) {
    await rm(temporary, { force: true })
    throw error
  }
}

/** Creates `path` only if nothing is there: of several processes at once exactly one gets true, and all see a whole file. */
export async function createFileAtomically(path: string, content: Uint8Array | string, mode: number): Promise<boolean> {
  const temporary = temporaryPath(path)
  try {
    await fillFile(temporary, content, mode)
    await link(temporary, path)
    await syncFolder(dirname(path))
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  } finally {
    await rm(temporary, { force: true })
  }
}

async function fillFile<T>(
  path: string,
  content: Uint8Array | string | ((handle: FileHandle) => Promise<T>),
  mode: number,
): Promise<T | undefined> {
  const handle = await open(path, 'wx', mode)
  try {
    const written = typeof content === 'function' ? await content(handle) : await handle.writeFile(content)
    await handle.chmod(mode)
    await handle.sync()
    return written as T | undefined
  } finally {
    await handle.close()
  }
}
