import { afterAll, beforeEach, expect, test } from 'bun:test'
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { addPulls, dayOf } from '#catalogue/pulls.ts'
import type { Catalogue } from '#catalogue/schema.ts'
import { openSqlite } from '#catalogue/sqlite/open-sqlite.ts'
import { addTreeBlobs } from '#catalogue/tree-blobs.ts'
import { makeDigest } from '#oci/digest.ts'
import { type PopularityLine, readPopularityList } from '#snapshots/popularity-list.ts'
import { findLastPopularity, type PopularityStores, writePopularity } from './write-popularity.ts'

const folder = await mkdtemp(join(tmpdir(), 'popularity-'))
const opened: Catalogue[] = []
afterAll(async () => {
  for (const catalogue of opened) await catalogue.destroy()
  await rm(folder, { recursive: true })
})

const digest = (n: number) => makeDigest('sha256', n.toString(16).padStart(64, '0'))
const clock = { nowMs: 0 }
let count = 0
let root: string
let stores: PopularityStores

beforeEach(async () => {
  const catalogue = await openSqlite(':memory:')
  opened.push(catalogue)
  root = join(folder, `${++count}`)
  clock.nowMs = 1_800_000_000_000
  stores = { catalogue, now: () => clock.nowMs }
  const blobs = [1, 2, 3].map((n) => ({ digest: digest(n), sizeBytes: n * 100_000, generation: n }))
  await catalogue.transaction().execute((tx) => addTreeBlobs(tx, 'stable', blobs))
})

const pull = (n: number, pulls: number) =>
  addPulls(stores.catalogue, { channel: 'stable', day: dayOf(clock.nowMs) }, new Map([[digest(n), pulls]]))
const read = async (number: number) => {
  const lines: PopularityLine[] = []
  const bytes = createReadStream(join(root, `lists/${number}.popular.gz`))
  for await (const line of readPopularityList(bytes, { channel: 'stable', number })) lines.push(line)
  return lines.map((line) => [Number.parseInt(line.digest.slice(7), 16), line.sizeBytes, line.score])
}
const files = () => readdir(join(root, 'lists')).then((names) => names.toSorted())

test('there is none before anything was pulled', async () => {
  expect(await writePopularity(root, 'stable', 1, stores)).toBeUndefined()
  expect(await findLastPopularity(root)).toBeUndefined()
})

test('it tells what was pulled most, with size and digest of the file', async () => {
  await pull(2, 1)
  await pull(3, 5)
  const written = await writePopularity(root, 'stable', 7, stores)
  const bytes = await readFile(join(root, 'lists/7.popular.gz'))
  expect(written).toEqual({
    file: {
      number: 7,
      path: 'lists/7.popular.gz',
      sizeBytes: bytes.length,
      digest: makeDigest('sha256', createHash('sha256').update(bytes).digest('hex')),
    },
    isNew: true,
  })
  expect(await read(7)).toEqual([
    [3, 300_000, 5000],
    [2, 200_000, 1000],
  ])
  expect(await findLastPopularity(root)).toBe(7)
})

test('the one before stays as long as it says the same, and time alone may change that', async () => {
  await pull(1, 1)
  const first = await writePopularity(root, 'stable', 1, stores)
  clock.nowMs += 60_000
  expect(await writePopularity(root, 'stable', 2, stores)).toEqual({ ...first!, isNew: false })
  expect(await files()).toEqual(['1.popular.gz'])
  await pull(2, 1)
  expect(await writePopularity(root, 'stable', 2, stores)).toMatchObject({ file: { number: 2 }, isNew: true })
  clock.nowMs += 14 * 86_400_000
  expect(await writePopularity(root, 'stable', 10, stores)).toMatchObject({ file: { number: 10 }, isNew: true })
  expect(await read(10)).toEqual([
    [1, 100_000, 500],
    [2, 200_000, 500],
  ])
  expect(await files()).toEqual(['1.popular.gz', '10.popular.gz', '2.popular.gz'])
})

test('what a crash left under its number, and a damaged one before, are no hindrance', async () => {
  await pull(1, 1)
  await writePopularity(root, 'stable', 1, stores)
  await writeFile(join(root, 'lists/1.popular.gz'), 'damaged')
  await writeFile(join(root, 'lists/2.popular.gz'), 'left by a crash')
  expect(await writePopularity(root, 'stable', 2, stores)).toMatchObject({ file: { number: 2 }, isNew: true })
  expect(await read(2)).toEqual([[1, 100_000, 1000]])
})
