// One process per folder. The lock is SQLite's own file lock: the kernel drops it when the process ends, however it ends, so
// there is no stale lock to judge, and a second open in the same process is refused too. The pid beside it is for people.

import { Database } from 'bun:sqlite'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

export class FolderBusy extends Error {
  override readonly name = 'FolderBusy'
  readonly pid: string
  constructor(folder: string, pid: string) {
    super(`process ${pid} is at work in ${folder}`)
    this.pid = pid
  }
}

/** Holds `<folder>/lock` until disposed; throws FolderBusy when another holds it. */
export async function lockFolder(folder: string): Promise<AsyncDisposable> {
  const pidFile = join(folder, 'lock.pid')
  const database = new Database(join(folder, 'lock'))
  try {
    database.run('PRAGMA busy_timeout = 0')
    database.run('PRAGMA journal_mode = MEMORY')
    database.run('BEGIN EXCLUSIVE')
  } catch (error) {
    database.close()
    if ((error as { code?: string }).code !== 'SQLITE_BUSY') throw error
    throw new FolderBusy(folder, (await readFile(pidFile, 'utf8').catch(() => '')).trim() || 'unknown')
  }
  await writeFile(pidFile, `${process.pid}\n`)
  return {
    async [Symbol.asyncDispose]() {
      database.close()
    },
  }
}
