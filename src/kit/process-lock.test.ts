import { afterAll, expect, test } from 'bun:test'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { LockHeld, takeProcessLock } from './process-lock.ts'

const folder = await mkdtemp(join(tmpdir(), 'lock-'))
afterAll(() => rm(folder, { recursive: true, force: true }))

/** A process of its own that takes the lock, says so and holds it until it is killed, or says that it could not. */
function startHolder(path: string) {
  const code = `
    import { takeProcessLock } from ${JSON.stringify(join(import.meta.dir, 'process-lock.ts'))}
    try { globalThis.lock = takeProcessLock(${JSON.stringify(path)}); console.log('held') }
    catch (error) { console.log(error.name + ' ' + error.pid); process.exit(1) }
    setInterval(() => {}, 1000)`
  const child = spawn(process.execPath, ['-e', code], { stdio: ['ignore', 'pipe', 'inherit'] })
  return { child, said: once(child.stdout, 'data').then(([bytes]) => String(bytes).trim()), ended: once(child, 'exit') }
}

test('is held once in a process, and free again when it is given back', () => {
  const path = join(folder, 'deep', 'one')
  {
    using _ = takeProcessLock(path)
    expect(() => takeProcessLock(path)).toThrow(LockHeld)
    expect(() => takeProcessLock(path)).toThrow(`${path} is held by process ${process.pid}`)
  }
  takeProcessLock(path)[Symbol.dispose]()
})

test('names the process that holds it; a killed one holds nothing', async () => {
  const path = join(folder, 'two')
  const holder = startHolder(path)
  expect(await holder.said).toBe('held')
  expect(() => takeProcessLock(path)).toThrow(`is held by process ${holder.child.pid}`)
  holder.child.kill('SIGKILL')
  await holder.ended
  takeProcessLock(path)[Symbol.dispose]()
})

test('of many that find the lock of a dead process, one gets it', async () => {
  const path = join(folder, 'three')
  const dead = startHolder(path)
  await dead.said
  dead.child.kill('SIGKILL')
  await dead.ended
  const racers = Array.from({ length: 6 }, () => startHolder(path))
  const said = await Promise.all(racers.map((one) => one.said))
  expect(said.filter((text) => text === 'held')).toHaveLength(1)
  expect(said.filter((text) => text.startsWith('LockHeld'))).toHaveLength(5)
  for (const one of racers) one.child.kill('SIGKILL')
  await Promise.all(racers.map((one) => one.ended))
})
