import { afterAll, beforeAll, expect, test } from 'bun:test'
import { spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { FolderBusy, lockFolder } from './folder-lock.ts'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'folder-lock-'))
})
afterAll(() => rm(folder, { recursive: true }))

/** Another process that holds the lock until it is killed; resolves once it has it. */
async function startHolder() {
  const program = `
    const { lockFolder } = await import(${JSON.stringify(join(import.meta.dir, 'folder-lock.ts'))})
    globalThis.held = await lockFolder(${JSON.stringify(folder)})
    console.log('held')
    setInterval(() => {}, 1000)`
  const child = spawn(process.execPath, ['-e', program], { stdio: ['ignore', 'pipe', 'inherit'] })
  await new Promise<void>((resolve) => child.stdout.once('data', () => resolve()))
  return child
}

test('a second lock is refused with the pid of the first, in the same process too', async () => {
  {
    await using _ = await lockFolder(folder)
    expect(lockFolder(folder)).rejects.toThrow(FolderBusy)
    await expect(lockFolder(folder)).rejects.toThrow(`process ${process.pid} is at work`)
  }
  await using _ = await lockFolder(folder)
})

test('a killed holder leaves no lock behind', async () => {
  const holder = await startHolder()
  await expect(lockFolder(folder)).rejects.toThrow(`process ${holder.pid} is at work`)
  const gone = new Promise((resolve) => holder.once('exit', resolve))
  holder.kill('SIGKILL')
  await gone
  await using _ = await lockFolder(folder)
})
