import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { DiskBlobStore } from '#blobs/disk/disk-blob-store.ts'
import {
  blockBytes,
  blockCount,
  blockRange,
  checkBlock,
  checkBytes,
  checksBytes,
  makeBlockChecks,
} from './block-checks.ts'
import { BlockKey } from './block-key.ts'
import { digestOf } from './hashing.ts'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'block-checks-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

const key = new BlockKey(Buffer.alloc(32, 1))
const otherKey = new BlockKey(Buffer.alloc(32, 2))
const blobOf = (text: string, sizeBytes: number) => ({ digest: digestOf(text), sizeBytes })
const rangesOf = (blob: ReturnType<typeof blobOf>, by = key) =>
  Array.from({ length: blockCount }, (_, index) => blockRange(by, blob, index))

describe('the blocks of a blob', () => {
  test('lie inside it, one in each of seven equal parts and one at the very end, whatever its size', () => {
    const sizes = fc.oneof(fc.integer({ min: 1, max: 5_000 }), fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }))
    fc.assert(
      fc.property(fc.string(), sizes, (text, sizeBytes) => {
        const length = Math.min(blockBytes, sizeBytes)
        const ranges = rangesOf(blobOf(text, sizeBytes))
        expect(ranges.at(-1)).toEqual({ first: sizeBytes - length, last: sizeBytes - 1 })
        for (const [index, { first, last }] of ranges.slice(0, -1).entries()) {
          expect(last - first + 1).toBe(length)
          const part = (sizeBytes - length + 1) / (blockCount - 1)
          expect(first).toBeGreaterThanOrEqual(Math.floor(index * part))
          expect(first).toBeLessThanOrEqual(Math.ceil((index + 1) * part))
          expect(last).toBeLessThan(sizeBytes)
        }
      }),
    )
  })

  test('are the same each time, and others of another blob or with another key', () => {
    const blob = blobOf('a', 1_000_000_000)
    expect(rangesOf(blob)).toEqual(rangesOf(blob))
    for (const others of [rangesOf(blobOf('b', 1_000_000_000)), rangesOf(blob, otherKey)]) {
      const same = others.filter(({ first }, index) => first === rangesOf(blob)[index]!.first)
      expect(same.length).toBe(1)
    }
  })

  test('lie anywhere in their parts: over many blobs every tenth of a part has its share', () => {
    const tenths = new Array(10).fill(0)
    const part = 7_000_000 / 7
    for (let i = 0; i < 2_000; i++) {
      const { first } = blockRange(key, blobOf(String(i), 7_000_000 + blockBytes - 1), i % 7)
      tenths[Math.floor(((first % part) * 10) / part)]++
    }
    for (const share of tenths) expect(share).toBeWithin(140, 260)
  })
})

test('a check is of its key, its blob, its place and each of its bytes', () => {
  const bytes = Buffer.alloc(blockBytes, 'x')
  const range = { first: 100, last: 355 }
  const { digest } = blobOf('a', 1000)
  const check = checkBlock(key, digest, range, bytes)
  expect(check.length).toBe(checkBytes)
  expect(checkBlock(key, digest, range, Buffer.from(bytes)).equals(check)).toBe(true)
  const changed = Buffer.from(bytes)
  changed[255]! ^= 1
  const others = [
    checkBlock(otherKey, digest, range, bytes),
    checkBlock(key, blobOf('b', 1000).digest, range, bytes),
    checkBlock(key, digest, { first: 101, last: 356 }, bytes),
    checkBlock(key, digest, range, changed),
  ]
  for (const other of others) expect(other).not.toEqual(check)
})

describe('checks of a stored blob', () => {
  test.each([1, 255, 256, 257, 2_000, 300_000])(
    'of %d bytes are 128 bytes, of the blocks that lie there',
    async (size) => {
      await using blobs = await DiskBlobStore.open(join(folder, `store-${size}`))
      const bytes = Buffer.from(Array.from({ length: size }, (_, i) => (i * 7919) % 251))
      const digest = digestOf(bytes)
      await blobs.put(digest, bytes)
      const blob = { digest, sizeBytes: size }
      const checks = (await makeBlockChecks(blobs, key, blob))!
      expect(checks.length).toBe(checksBytes)
      expect(checks.length).toBe(128)
      for (const [index, range] of rangesOf(blob).entries()) {
        const check = checkBlock(key, digest, range, bytes.subarray(range.first, range.last + 1))
        expect(check.equals(checks.subarray(index * checkBytes, (index + 1) * checkBytes))).toBe(true)
      }
    },
  )

  test('are none where it is not, or empty; one of another size than was told is an error', async () => {
    await using blobs = await DiskBlobStore.open(join(folder, 'store-none'))
    expect(await makeBlockChecks(blobs, key, blobOf('gone', 500))).toBeUndefined()
    await blobs.put(digestOf(''), Buffer.alloc(0))
    expect(await makeBlockChecks(blobs, key, blobOf('', 0))).toBeUndefined()
    await blobs.put(digestOf('short'), Buffer.from('short'))
    await expect(makeBlockChecks(blobs, key, blobOf('short', 5_000))).rejects.toThrow(RangeError)
  })
})

describe('the key', () => {
  test('is made once, for its owner alone, however many start at once', async () => {
    const path = join(folder, 'keys', 'block.key')
    expect(await BlockKey.find(path)).toBeUndefined()
    const ids = (await Promise.all([1, 2, 3, 4].map(() => BlockKey.open(path)))).map(({ id }) => id)
    expect(new Set(ids).size).toBe(1)
    expect((await BlockKey.find(path))!.id).toBe(ids[0]!)
    expect((await stat(path)).mode & 0o777).toBe(0o600)
    expect((await stat(join(folder, 'keys'))).mode & 0o777).toBe(0o700)
    // The id says nothing of it.
    expect((await readFile(path)).toString('hex')).not.toContain(ids[0]!)
  })

  test('that is cut short is refused with what to do, and kept', async () => {
    const path = join(folder, 'short.key')
    await writeFile(path, Buffer.alloc(31))
    await expect(BlockKey.open(path)).rejects.toThrow(/31 bytes instead of 32: restore it, or delete it/)
    expect((await readFile(path)).length).toBe(31)
  })
})
