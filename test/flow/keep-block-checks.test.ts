// Block checks on their way from pushes to front doors: old catalogues, rot on our own disk, other keys, runs that end early.

import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { mkdtemp, readdir, readFile, rm, truncate, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { blockRange, checkBlock, checkBytes } from '#blobs/block-checks.ts'
import type { BlockKey } from '#blobs/block-key.ts'
import { DiskBlobStore } from '#blobs/disk/disk-blob-store.ts'
import { digestOf } from '#blobs/hashing.ts'
import { findBlockChecks } from '#catalogue/block-checks.ts'
import type { Catalogue } from '#catalogue/schema.ts'
import { openSqlite } from '#catalogue/sqlite/open-sqlite.ts'
import { addTreeBlobs } from '#catalogue/tree-blobs.ts'
import { blobPath, type Digest } from '#oci/digest.ts'
import { BlockChecksFollower } from '#snapshots/follow-block-checks.ts'
import { finishUpload } from '#stages/push/finish-upload.ts'
import { BlockCheckKeeper, type KeepChecksLimits, keepChecksDefaults } from '#upkeep/keep-block-checks.ts'
import { blockKey, openCheckFolder, otherBlockKey } from '../kit/check-files.ts'

let root: string
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'keep-checks-'))
})
afterAll(() => rm(root, { recursive: true, force: true }))
let count = 0

class Line implements AsyncDisposable {
  readonly folder: string
  readonly catalogue: Catalogue
  readonly blobs: DiskBlobStore
  readonly log: string[] = []
  nowMs = Date.now()
  generation = 0

  constructor(folder: string, catalogue: Catalogue, blobs: DiskBlobStore) {
    this.folder = folder
    this.catalogue = catalogue
    this.blobs = blobs
  }

  static async open(): Promise<Line> {
    const folder = join(root, `${++count}`)
    return new Line(folder, await openSqlite(':memory:'), await DiskBlobStore.open(join(folder, 'store')))
  }

  get snapshots(): string {
    return join(this.folder, 'snapshots', 'stable')
  }

  /** As builders do, with or without block checks. */
  async push(bytes: Buffer, key: BlockKey | undefined = blockKey, fromBytes = 256): Promise<Digest> {
    const { catalogue, blobs } = this
    const upload = await blobs.startUpload({ repository: 'a', algorithm: 'sha256' })
    await upload.append(new Blob([bytes]).stream() as unknown as AsyncIterable<Uint8Array>)
    const digest = digestOf(bytes)
    const limits = { maxManifestBytes: 1, maxDescriptors: 1 }
    const stores = { catalogue, blobs, channel: 'candidate', limits, now: () => this.nowMs }
    await finishUpload(upload, digest, { ...stores, blockChecks: key && { key, fromBytes } })
    return digest
  }

  /** As a program of before block checks did. */
  async pushOld(bytes: Buffer): Promise<Digest> {
    return await this.push(bytes, blockKey, Number.MAX_SAFE_INTEGER)
  }

  async publish(...all: readonly Buffer[]): Promise<void> {
    const generation = ++this.generation
    const rows = all.map((bytes) => ({ digest: digestOf(bytes), sizeBytes: bytes.length, generation }))
    await this.catalogue.transaction().execute((tx) => addTreeBlobs(tx, 'stable', rows))
  }

  keeper(limits: Partial<KeepChecksLimits> = {}, key = blockKey): BlockCheckKeeper {
    const { catalogue, blobs, snapshots, log } = this
    const now = () => this.nowMs
    const folder = openCheckFolder(snapshots, now, key)
    return new BlockCheckKeeper(
      'stable',
      { catalogue, blobs, key, folder, now, log: (message, { digest }) => log.push(`${message} ${digest ?? ''}`) },
      { ...keepChecksDefaults, ...limits },
    )
  }

  /** Whether a front door that looks now has right checks of these bytes. */
  async isChecked(bytes: Buffer, key = blockKey): Promise<boolean> {
    await using follower = new BlockChecksFollower({
      folder: this.snapshots,
      channel: 'stable',
      findKey: async () => key,
    })
    await follower.step()
    const digest = digestOf(bytes)
    const found = await follower.find(digest)
    if (!found) return false
    for (let index = 0; index < 8; index++) {
      const range = blockRange(key, { digest, sizeBytes: bytes.length }, index)
      const check = checkBlock(key, digest, range, bytes.subarray(range.first, range.last + 1))
      expect(check.equals(found.checks.subarray(index * checkBytes, (index + 1) * checkBytes))).toBe(true)
    }
    return true
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.blobs[Symbol.asyncDispose]()
    await this.catalogue.destroy()
  }
}

const layer = (n: number, sizeBytes = 5_000) => Buffer.alloc(sizeBytes, `layer ${n} `)

describe('checks of a blob', () => {
  test('are made when its upload finishes, if it will travel', async () => {
    await using line = await Line.open()
    const large = await line.push(layer(1))
    const small = await line.push(layer(2, 255))
    const none = await line.push(layer(3), undefined, 0)
    const found = await findBlockChecks(line.catalogue, blockKey.id, [large, small])
    expect([...found.keys()]).toEqual([large])
    expect((await findBlockChecks(line.catalogue, blockKey.id, [none])).size).toBe(1)
  })

  test('reach front doors after its publication, and only then', async () => {
    await using line = await Line.open()
    const keeper = line.keeper()
    await line.push(layer(1))
    expect(await keeper.run()).toBe(false)
    await line.publish(layer(1))
    expect(await keeper.run()).toBe(false)
    expect(await line.isChecked(layer(1))).toBe(true)
    const before = await readFile(join(line.snapshots, 'block-checks.json'))
    await keeper.run()
    expect(await readFile(join(line.snapshots, 'block-checks.json'))).toEqual(before)
    expect(await line.isChecked(layer(2))).toBe(false)
  })
})

describe('an old catalogue', () => {
  test('gets checks of all that its tree carries, no more at a time than is allowed, through restarts', async () => {
    await using line = await Line.open()
    const all = Array.from({ length: 10 }, (_, n) => layer(n, 5_000 + n))
    for (const bytes of all) await line.pushOld(bytes)
    await line.publish(...all.slice(0, 6))
    await line.publish(...all.slice(6))
    let runs = 1
    const limits = { fillBytes: 10_000, pageBlobs: 3, batchBlobs: 4 }
    while (await line.keeper(limits).run()) runs++
    expect(runs).toBe(5)
    for (const bytes of all) expect(await line.isChecked(bytes)).toBe(true)
    expect(line.log).toEqual([])
  })

  test('of sha512 digests as well', async () => {
    await using line = await Line.open()
    const bytes = layer(1)
    const digest = digestOf(bytes, 'sha512')
    await line.blobs.put(digest, bytes)
    await line.catalogue
      .transaction()
      .execute((tx) => addTreeBlobs(tx, 'stable', [{ digest, sizeBytes: bytes.length, generation: 1 }]))
    await line.keeper().run()
    expect((await findBlockChecks(line.catalogue, blockKey.id, [digest])).size).toBe(1)
  })

  test('ends early when it is told to stop, and loses nothing', async () => {
    await using line = await Line.open()
    await line.pushOld(layer(1))
    await line.publish(layer(1))
    await expect(line.keeper().run(AbortSignal.abort(new Error('stopping')))).rejects.toThrow('stopping')
    await line.keeper().run()
    expect(await line.isChecked(layer(1))).toBe(true)
  })
})

describe('rot on our own disk', () => {
  test('never becomes a check: the blob has none until it was pushed again', async () => {
    await using line = await Line.open()
    const rotten = await line.pushOld(layer(1))
    const gone = await line.pushOld(layer(2))
    const short = await line.pushOld(layer(3))
    await line.pushOld(layer(4))
    await line.publish(layer(1), layer(2), layer(3), layer(4))
    const pathOf = (digest: Digest) => join(line.folder, 'store', blobPath(digest))
    await writeFile(pathOf(rotten), Buffer.alloc(5_000, 'rotten'))
    await rm(pathOf(gone))
    await truncate(pathOf(short), 100)
    const keeper = line.keeper({ retryMs: 1_000 })
    expect(await keeper.run()).toBe(false)
    expect(await Promise.all([1, 2, 3, 4].map((n) => line.isChecked(layer(n))))).toEqual([false, false, false, true])
    expect(line.log.map((text) => text.split(' ').at(-1)).sort()).toEqual([rotten, gone, short].sort())

    for (const n of [1, 2]) await line.push(layer(n))
    await keeper.run()
    expect(await line.isChecked(layer(1))).toBe(false)
    line.nowMs += 1_000
    await keeper.run()
    expect(await Promise.all([1, 2, 3, 4].map((n) => line.isChecked(layer(n))))).toEqual([true, true, false, true])
  })

  test('of many blobs is remembered of some', async () => {
    await using line = await Line.open()
    const all = Array.from({ length: 5 }, (_, n) => layer(n))
    await line.publish(...all)
    await line.keeper({ maxLacking: 2 }).run()
    const { lacking } = JSON.parse(await readFile(join(line.snapshots, 'block-checks.json'), 'utf8'))
    expect(lacking.length).toBe(2)
    expect(line.log.length).toBe(5)
  })

  test('in a file of checks: all are written anew from the catalogue', async () => {
    await using line = await Line.open()
    await line.push(layer(1))
    await line.publish(layer(1))
    await line.keeper().run()
    const [name] = await readdir(join(line.snapshots, 'block-checks'))
    await truncate(join(line.snapshots, 'block-checks', name!), 10)
    await line.push(layer(2))
    await line.publish(layer(2))
    const keeper = line.keeper()
    expect(await keeper.run()).toBe(true)
    expect(await keeper.run()).toBe(false)
    expect(await line.isChecked(layer(1))).toBe(true)
    expect(await line.isChecked(layer(2))).toBe(true)
  })
})

test('another key: everything is made anew, and what was made with the old one is refused', async () => {
  await using line = await Line.open()
  for (const n of [1, 2]) await line.push(layer(n))
  await line.publish(layer(1), layer(2))
  await line.keeper().run()
  await line.keeper({}, otherBlockKey).run()
  expect(await line.isChecked(layer(1), otherBlockKey)).toBe(true)
  await expect(line.isChecked(layer(1), blockKey)).rejects.toThrow(/made with key/)
})

test('files that nothing names go after an hour, those of a kill too; younger ones may be being fetched', async () => {
  await using line = await Line.open()
  const keeper = line.keeper()
  await line.push(layer(1))
  await line.publish(layer(1))
  await keeper.run()
  const folder = join(line.snapshots, 'block-checks')
  const [first] = await readdir(folder)
  await writeFile(join(folder, '.abc.tmp'), 'half')
  await line.push(layer(2))
  await line.publish(layer(2))
  await keeper.run()
  expect((await readdir(folder)).length).toBe(3)
  for (const name of [first!, '.abc.tmp']) await utimes(join(folder, name), 1, 1)
  await line.push(layer(3))
  await line.publish(layer(3))
  await keeper.run()
  expect(await readdir(folder)).not.toContain(first)
  expect(await readdir(folder)).not.toContain('.abc.tmp')
  for (const n of [1, 2, 3]) expect(await line.isChecked(layer(n))).toBe(true)
})
