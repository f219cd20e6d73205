import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createFileAtomically, isTemporaryName, makeFolder, temporaryPath, writeFileAtomically } from './atomic-file.ts'

let folder: string
let oldMask: number
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'atomic-file-'))
  oldMask = process.umask(0o077)
})
afterAll(async () => {
  process.umask(oldMask)
  await rm(folder, { recursive: true })
})

const modeOf = async (path: string) => (await stat(path)).mode & 0o777

test('makeFolder gives up where nothing can be made', async () => {
  await expect(makeFolder('/proc/nowhere/deeper')).rejects.toThrow('ENOENT')
})

describe('writeFileAtomically', () => {
  test('replaces the whole file, readable by all whatever the umask', async () => {
    const path = join(folder, 'a')
    await writeFile(path, 'a much longer text than the new one')
    await writeFileAtomically(path, 'new')
    expect(await readFile(path, 'utf8')).toBe('new')
    expect(await modeOf(path)).toBe(0o644)
  })

  test('gives back what the filling function returns', async () => {
    const length = await writeFileAtomically(
      join(folder, 'b'),
      async (handle) => (await handle.write('four')).bytesWritten,
    )
    expect(length).toBe(4)
  })

  test('an error while filling leaves the old file and no temporary one', async () => {
    const path = join(folder, 'c')
    await writeFileAtomically(path, 'old')
    const failing = writeFileAtomically(path, async (handle) => {
      await handle.write('half')
      throw new Error('no more')
    })
    await expect(failing).rejects.toThrow('no more')
    await failing.catch(() => undefined)
    expect(await readFile(path, 'utf8')).toBe('old')
    expect((await readdir(folder)).filter(isTemporaryName)).toEqual([])
  })
})

describe('createFileAtomically', () => {
  test('of many at once exactly one creates, and nobody sees half a file', async () => {
    const path = join(folder, 'once')
    const made = await Promise.all(
      Array.from({ length: 20 }, (_, i) => createFileAtomically(path, `${i}`.repeat(50), 0o600)),
    )
    expect(made.filter(Boolean)).toHaveLength(1)
    expect(await readFile(path, 'utf8')).toBe(`${made.indexOf(true)}`.repeat(50))
    expect(await modeOf(path)).toBe(0o600)
    expect((await readdir(folder)).filter(isTemporaryName)).toEqual([])
  })
})

describe('makeFolder', () => {
  test('makes all missing folders with the mode, at once and again', async () => {
    const path = join(folder, 'x/y/z')
    await Promise.all([makeFolder(path), makeFolder(path), makeFolder(join(folder, 'x/y/w'))])
    for (const made of ['x', 'x/y', 'x/y/z', 'x/y/w']) expect(await modeOf(join(folder, made))).toBe(0o755)
    await makeFolder(path, 0o700)
    expect(await modeOf(path)).toBe(0o755)
  })

  test('a file in the way is an error', async () => {
    await writeFile(join(folder, 'file'), '')
    await expect(makeFolder(join(folder, 'file/below'))).rejects.toThrow('ENOTDIR')
  })
})

test('a temporary name lies in the same folder and is told from tree names by its dot', () => {
  expect(temporaryPath('/t/lists/1.gz')).toMatch(/^\/t\/lists\/\.1\.gz\.[0-9a-f]{16}\.tmp$/)
})
