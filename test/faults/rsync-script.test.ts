// The shipped script with sources that fail or send wrong bytes, on disks that are full, with a wrong clock and old locks.

import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'bun:test'
import { cp, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { blobPath, type Digest } from '#oci/digest.ts'
import { describeWith, unlessRoot } from '../kit/need-tool.ts'
import { mustRun } from '../kit/process.ts'
import { PublishedTree } from '../kit/published-tree.ts'
import { blobsIn, lackedBlobs, runScript, traceGeneration } from '../kit/rsync-script.ts'
import { bytesOf, host, SpoiledTree } from './spoiled-tree.ts'

let spoiled: SpoiledTree
beforeAll(async () => {
  spoiled = await SpoiledTree.make()
})
afterAll(() => spoiled[Symbol.asyncDispose]())
beforeEach(() => spoiled.renew())

describeWith('a source in motion', ['rsync'])('a source in motion', () => {
  test('that lacks a blob: the list is fetched again, and then it is given up', async () => {
    await rm(join(spoiled.from, blobPath(spoiled.second)))
    const metadata = () => spoiled.visible('metadata', 'trace', 'blobs')
    const before = await metadata()
    const reason = /given up after 3 attempts: .*lacks.* 1 files/
    expect(await spoiled.run()).toMatchObject({ code: 1, stderr: expect.stringMatching(reason) })
    expect(await metadata()).toEqual(before)
  })

  test('that lacks a blob which rotted here: it is not taken for held afterwards, nor told of', async () => {
    expect((await spoiled.run()).code).toBe(0)
    const path = blobPath(spoiled.first)
    await writeFile(join(spoiled.to, path), 'x'.repeat(bytesOf('first').length))
    const bytes = await readFile(join(spoiled.from, path))
    await rm(join(spoiled.from, path))
    expect((await runScript(['--check', '--attempts', '2', spoiled.from, spoiled.to, host])).code).toBe(1)
    expect(await blobsIn(spoiled.to)).toEqual([spoiled.second])
    expect(await traceGeneration(spoiled.to, host)).toBeUndefined()
    await writeFile(join(spoiled.from, path), bytes)
    expect((await spoiled.run()).code).toBe(0)
    expect(await lackedBlobs(spoiled.to, [spoiled.first, spoiled.second])).toEqual([])
    expect(await traceGeneration(spoiled.to, host)).toBe(2)
  })

  test('another source has it', async () => {
    const whole = join(spoiled.root, 'whole')
    await cp(spoiled.from, whole, { recursive: true })
    await rm(join(spoiled.from, blobPath(spoiled.second)))
    expect(await spoiled.run([whole])).toMatchObject({ code: 0, stderr: '' })
    expect(await lackedBlobs(spoiled.to, [spoiled.first, spoiled.second])).toEqual([])
  })

  test('wrong bytes are never seen, and who sends them twice is named', async () => {
    await writeFile(join(spoiled.from, blobPath(spoiled.second)), 'x'.repeat(bytesOf('second').length))
    const ended = await spoiled.run()
    expect(ended).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('sent wrong bytes twice and is not asked any more'),
    })
    expect(await blobsIn(spoiled.to)).toEqual([spoiled.first])
    const whole = join(spoiled.root, 'right')
    await cp(join(spoiled.base, 'tree'), whole, { recursive: true })
    expect(await spoiled.run([whole])).toMatchObject({
      code: 0,
      stderr: expect.stringContaining(`${spoiled.from} sent wrong bytes for 1 files`),
    })
    expect(await lackedBlobs(spoiled.to, [spoiled.first, spoiled.second])).toEqual([])
  })

  test('a blob of another length', async () => {
    await writeFile(join(spoiled.from, blobPath(spoiled.second)), 'short')
    expect((await spoiled.run()).code).toBe(1)
    await writeFile(join(spoiled.from, blobPath(spoiled.second)), 'x'.repeat(bytesOf('second').length + 1))
    expect((await spoiled.run()).code).toBe(1)
    expect(await blobsIn(spoiled.to)).toEqual([spoiled.first])
    await cp(join(spoiled.base, 'tree'), spoiled.from, { recursive: true })
    expect(await spoiled.run()).toMatchObject({ code: 0, stderr: '' })
    expect(await lackedBlobs(spoiled.to, [spoiled.first, spoiled.second])).toEqual([])
  })

  test('no source at all', async () => {
    const whole = spoiled.from
    const before = await spoiled.visible()
    spoiled.from = 'rsync://127.0.0.1:1/none'
    expect(await spoiled.run()).toMatchObject({ code: 1, stderr: expect.stringContaining('the copy is as it was') })
    expect(await spoiled.visible()).toEqual(before)
    expect(await spoiled.run([whole])).toMatchObject({ code: 0, stderr: '' })
  })

  test('an interrupted file goes on where it was', async () => {
    const incoming = join(spoiled.to, '.flotilla-rsync/incoming', blobPath(spoiled.second))
    await mkdir(join(incoming, '..'), { recursive: true })
    await writeFile(incoming, bytesOf('second').subarray(0, 5000))
    const { code, stderr } = await spoiled.run([], { RSYNC_OPTIONS: '--stats' })
    expect([code, stderr]).toEqual([0, ''])
    expect(await lackedBlobs(spoiled.to, [spoiled.first, spoiled.second])).toEqual([])
  })
})

describeWith(
  'disks',
  ['rsync'],
  unlessRoot(),
)('disks', () => {
  test.each([128, 300])('a full disk of %d KiB loses nothing', async (size) => {
    const mounted = join(spoiled.root, `small-${size}`)
    await mkdir(mounted)
    await mustRun('mount', ['-t', 'tmpfs', '-o', `size=${size}k`, 'tmpfs', mounted])
    try {
      await cp(spoiled.to, join(mounted, 'copy'), { recursive: true, preserveTimestamps: true })
      spoiled.to = join(mounted, 'copy')
      const filler = await tryToAdd(spoiled.from)
      const ended = await spoiled.run()
      expect(ended.code).toBe(1)
      expect(await traceGeneration(spoiled.to, host)).toBe(1)
      expect(await lackedBlobs(spoiled.to, [spoiled.first])).toEqual([])
      await rm(join(spoiled.from, blobPath(filler)))
    } finally {
      await mustRun('umount', [mounted])
    }
  })

  test('a disk that nobody may write to', async () => {
    await mustRun('mount', ['--bind', spoiled.to, spoiled.to])
    await mustRun('mount', ['-o', 'remount,bind,ro', spoiled.to])
    try {
      expect(await spoiled.run()).toMatchObject({ code: 1, stderr: expect.stringContaining('cannot write to') })
    } finally {
      await mustRun('umount', [spoiled.to])
    }
    expect(await spoiled.run()).toMatchObject({ code: 0, stderr: '' })
  })
})

/** Generation 3 of the same keys, with a blob that is larger than a small disk. */
async function tryToAdd(folder: string): Promise<Digest> {
  const tree = await PublishedTree.make(folder, join(folder, '../keys'))
  const big = await tree.add(new TextEncoder().encode(Math.random().toString(36).repeat(40_000)))
  for (const digest of [spoiled.first, spoiled.second])
    tree.blobs.set(digest, {
      digest,
      sizeBytes: (await readFile(join(folder, blobPath(digest)))).length,
      generation: 1,
    })
  tree.generation = 2
  await tree.publish({ isCheckpoint: true })
  return big
}

describe('a clock that is wrong', () => {
  test('deletes nothing and says so', async () => {
    await spoiled.forge({ timestamp: (signed) => void (signed.expires = '2020-01-01T00:00:00Z') })
    const ended = await runScript(['--grace-days', '0', spoiled.from, spoiled.to, host])
    expect(ended).toMatchObject({
      code: 0,
      stderr: expect.stringMatching(/has expired on 2020.*\n.*nothing is deleted/),
    })
    expect(await readdir(join(spoiled.to, 'catalogue'))).toContain('1.pack')
  })
})

describe('a lock', () => {
  test.each([
    ['of a process that is no more', '999999999'],
    ['of a process that is another program now', '1'],
    ['of nobody', ''],
  ])('%s does not stay', async (_, pid) => {
    await writeFile(join(spoiled.to, '.flotilla-rsync/lock'), pid)
    expect(await spoiled.run()).toMatchObject({ code: 0, stderr: '' })
  })
})
