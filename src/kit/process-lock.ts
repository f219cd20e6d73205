// One process per data folder: a file with the pid and the start of its holder, so that a lock left by a killed process is known as such.

import { randomUUID } from 'node:crypto'
import { linkSync, mkdirSync, readFileSync, unlinkSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'

export class LockHeld extends Error {
  override readonly name = 'LockHeld'
  readonly pid: number
  constructor(path: string, pid: number) {
    super(`${path} is held by process ${pid}`)
    this.pid = pid
  }
}

/** Start time of a process in clock ticks since boot (proc(5), field 22): with the pid it names one process for ever. */
function startOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]
  } catch {
    return undefined
  }
}

function isAlive(pid: number, start: string | undefined): boolean {
  try {
    process.kill(pid, 0)
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
  const present = startOf(pid)
  return present === undefined || start === undefined || present === start
}

/** Throws LockHeld while a living process has it. */
export function takeProcessLock(path: string): Disposable {
  mkdirSync(dirname(path), { recursive: true })
  const own = `${path}.${randomUUID()}`
  writeFileSync(own, `${process.pid} ${startOf(process.pid) ?? ''}\n`, { flag: 'wx', mode: 0o644 })
  try {
    for (;;) {
      try {
        linkSync(own, path)
        return { [Symbol.dispose]: () => unlinkSync(path) }
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
      }
      const [pid, start] = readHolder(path)
      if (pid !== undefined && isAlive(pid, start)) throw new LockHeld(path, pid)
      tryUnlink(path)
    }
  } finally {
    tryUnlink(own)
  }
}

function readHolder(path: string): [number | undefined, string | undefined] {
  try {
    const [pid, start] = readFileSync(path, 'utf8').trim().split(' ')
    return [Number(pid) || undefined, start || undefined]
  } catch {
    return [undefined, undefined]
  }
}

function tryUnlink(path: string): void {
  try {
    unlinkSync(path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
  }
}
