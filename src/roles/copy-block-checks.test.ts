import { afterAll, beforeAll, expect, test } from 'bun:test'
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { digestOf } from '#blobs/hashing.ts'
import { recordBytes } from '#snapshots/check-record.ts'
import { folderSource } from '#snapshots/snapshot-source.ts'
import { blockCheckCopier } from './copy-block-checks.ts'

let root: string
let home: string
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'copy-checks-'))
  home = join(root, 'home')
  await mkdir(join(home, 'stable/block-checks'), { recursive: true })
})
afterAll(() => rm(root, { recursive: true }))

const nameOf = (i: number) => i.toString(16).padStart(32, '0')
const bytesOf = (i: number) => new Uint8Array(recordBytes * (i + 1)).fill(i)

async function publish(...numbers: number[]): Promise<void> {
  for (const i of numbers) await writeFile(join(home, 'stable/block-checks', nameOf(i)), bytesOf(i))
  const files = numbers.map((i) => ({
    path: `block-checks/${nameOf(i)}`,
    digest: digestOf(bytesOf(i)),
    sizeBytes: bytesOf(i).length,
  }))
  const document = {
    format: 1,
    channel: 'stable',
    keyId: '0'.repeat(16),
    files,
    generation: 1,
    digest: '',
    lacking: [],
  }
  await writeFile(join(home, 'stable/block-checks.json'), JSON.stringify(document))
}

test('files come first, then what names them; those that are named no more go, and one that cannot be had changes nothing', async () => {
  const folder = join(root, 'door')
  const step = blockCheckCopier({ source: folderSource(home), channel: 'stable', folder })
  await step()
  await publish(1, 2)
  await step()
  expect((await readdir(join(folder, 'block-checks'))).sort()).toEqual([nameOf(1), nameOf(2)])
  expect(await readFile(join(folder, 'block-checks', nameOf(2)))).toEqual(Buffer.from(bytesOf(2)))
  await publish(2, 3)
  await rm(join(home, 'stable/block-checks', nameOf(3)))
  const before = await readFile(join(folder, 'block-checks.json'), 'utf8')
  await expect(step()).rejects.toThrow()
  expect(await readFile(join(folder, 'block-checks.json'), 'utf8')).toBe(before)
  await publish(2, 3)
  await step()
  expect((await readdir(join(folder, 'block-checks'))).sort()).toEqual([nameOf(2), nameOf(3)])
  expect(await readFile(join(folder, 'block-checks.json'))).toEqual(
    await readFile(join(home, 'stable/block-checks.json')),
  )
})
