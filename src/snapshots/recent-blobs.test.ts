import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { createHash } from 'node:crypto'
import { mkdir, mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Digest, makeDigest } from '#oci/digest.ts'
import { type BlobListLine, BlobListRefused, writeBlobList } from './blob-list.ts'
import { readRecentBlobs } from './recent-blobs.ts'
import { spanPath } from './tree-path.ts'

const digestOf = (text: string): Digest => makeDigest('sha256', createHash('sha256').update(text).digest('hex'))
let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'recent-blobs-'))
})
afterAll(() => rm(folder, { recursive: true }))

/** `blobs`: `name generation`, the sign in front for a delta. */
async function put(tree: string, from: number, to: number, blobs: readonly string[]): Promise<number> {
  const path = join(folder, tree, spanPath('list', { from, to }))
  await mkdir(join(path, '..'), { recursive: true })
  const lines = blobs.map((text): BlobListLine => {
    const [, sign = '', name = '', generation] = /^([+-]?)(\w+) (\d+)$/.exec(text)!
    return { sign: sign as '+', digest: digestOf(name), sizeBytes: 1, generation: Number(generation) }
  })
  lines.sort((a, b) => (a.digest < b.digest ? -1 : 1))
  await writeBlobList(path, { channel: 'stable', from, to, count: lines.length }, lines)
  return (await stat(path)).size
}

async function read(tree: string, generation: number, names: string, maxBytes = 1 << 20) {
  const blobs = await readRecentBlobs(join(folder, tree), { channel: 'stable', generation, maxBytes })
  return [...names].map((name) => blobs.generationOf(digestOf(name)))
}

describe('the generation of a blob', () => {
  test('is exact where the lists reach back to the beginning, and a blob of none is of none', async () => {
    await put('whole', 0, 2, ['a 1', 'b 2'])
    await put('whole', 2, 3, ['+c 3'])
    await put('whole', 3, 4, ['+d 4', '-a 1'])
    expect(await read('whole', 4, 'abcdx')).toEqual([1, 2, 3, 4, undefined])
    expect(await read('whole', 2, 'abcd')).toEqual([1, 2, undefined, undefined])
  })

  test('is never told too low where they do not', async () => {
    const sizes = [
      await put('long', 0, 1, ['a 1']),
      await put('long', 1, 2, ['+b 2']),
      await put('long', 2, 3, ['+c 3']),
    ]
    expect(await read('long', 3, 'abc', sizes[2]! + sizes[1]!)).toEqual([1, 2, 3])
    expect(await read('long', 3, 'abc', sizes[2])).toEqual([2, 2, 3])
    expect(await read('long', 3, 'abc', 1)).toEqual([3, 3, 3])
  })

  test('is read by the widest steps', async () => {
    await put('wide', 0, 1, ['a 1'])
    const wide = await put('wide', 1, 4, ['+b 2', '+c 4'])
    await put('wide', 3, 4, ['+c 4'])
    expect(await read('wide', 4, 'abc', wide)).toEqual([1, 2, 4])
  })

  test('is read where the steps overlap, and not from what is being written', async () => {
    await put('overlap', 0, 1, ['a 1'])
    await put('overlap', 1, 4, ['+b 2', '+c 4'])
    await put('overlap', 3, 6, ['+c 4', '+d 6'])
    await put('overlap', 0, 7, ['a 1', 'b 2', 'c 4', 'd 6', 'e 7'])
    expect(await read('overlap', 6, 'abcde')).toEqual([1, 2, 4, 6, undefined])
  })

  test('of a blob that came back is that of its last coming', async () => {
    await put('back', 0, 1, ['a 1'])
    await put('back', 1, 2, ['+b 2', '-a 1'])
    await put('back', 2, 3, ['+a 3'])
    expect(await read('back', 3, 'ab')).toEqual([3, 2])
  })

  test('without lists is at most the one that there is', async () => {
    expect(await read('nothing', 7, 'a')).toEqual([7])
  })

  test('of a damaged list is an error', async () => {
    await mkdir(join(folder, 'bad/lists'), { recursive: true })
    await writeFile(join(folder, 'bad/lists/1.gz'), 'no list')
    await expect(read('bad', 1, 'a')).rejects.toBeInstanceOf(BlobListRefused)
  })
})
