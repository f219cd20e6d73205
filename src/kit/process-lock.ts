// One process per data folder. The kernel holds the lock and lets go of it when the process ends, however it ends, so nothing is ever
// left to judge; unlike a pid in a file it also holds between containers that share the folder. The pid is written beside it for people.

import { Database } from 'bun:sqlite'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'

export class LockHeld extends Error {
  override readonly name = 'LockHeld'
  /** Undefined in the moment before the holder has written it. */
  readonly pid: number | undefined
  constructor(path: string, pid: number | undefined) {
    super(`${path} is held by ${pid === undefined ? 'another process' : `process ${pid}`}`)
    this.pid = pid
  }
}

const pidPath = (path: string) => `${path}.pid`

/** Throws LockHeld while another has it. */
export function takeProcessLock(path: string): Disposable {
  mkdirSync(dirname(path), { recursive: true })
  const database = new Database(path, { create: true, readwrite: true })
  try {
    // SQLite knows the file locks of every platform. Nothing is written, so a killed holder leaves nothing to recover.
    database.run('pragma busy_timeout = 0')
    database.run('begin exclusive')
  } catch (error) {
    database.close()
    if ((error as { readonly code?: string }).code !== 'SQLITE_BUSY') throw error
    throw new LockHeld(path, readPid(path))
  }
  writeFileSync(pidPath(path), `${process.pid}\n`, { mode: 0o644 })
  return { [Symbol.dispose]: () => database.close() }
}

function readPid(path: string): number | undefined {
  try {
    return Number(readFileSync(pidPath(path), 'utf8')) || undefined
  } catch {
    return undefined
  }
}
