import { afterAll, beforeAll, expect, test } from 'bun:test'
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DiskBlobStore } from '#blobs/disk/disk-blob-store.ts'
import { digestOf } from '#blobs/hashing.ts'
import type { Catalogue } from '#catalogue/schema.ts'
import { openSqlite } from '#catalogue/sqlite/open-sqlite.ts'
import { addTreeBlobs } from '#catalogue/tree-blobs.ts'
import { blobPath } from '#oci/digest.ts'
import { repairLinks } from './repair-links.ts'

const bytes = Buffer.from('what was pushed, promoted and published')
const digest = digestOf(bytes)
let folder: string
let catalogue: Catalogue
const treeOf = (channel: string) => join(folder, 'tree', channel)

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'repair-'))
  catalogue = await openSqlite(join(folder, 'catalogue.sqlite'))
  const blobs = [{ digest, sizeBytes: bytes.length, generation: 1 }]
  await catalogue.transaction().execute((tx) => addTreeBlobs(tx, 'stable', blobs))
})
afterAll(async () => {
  await catalogue.destroy()
  await rm(folder, { recursive: true })
})

async function push(store: DiskBlobStore): Promise<void> {
  const upload = await store.startUpload({ repository: 'a', algorithm: 'sha256' })
  await upload.append(
    (async function* () {
      yield bytes
    })(),
  )
  await upload.finish(digest)
}

test('a push of a damaged blob mends the store and every tree that carries it, and no other', async () => {
  await using store = await DiskBlobStore.open(join(folder, 'store'))
  store.onRepair((damaged, place) =>
    repairLinks(damaged, { catalogue, place, publicChannels: ['testing', 'stable'], treeOf }),
  )
  await store.put(digest, bytes)
  const published = join(treeOf('stable'), blobPath(digest))
  await store.place(digest, published)
  // A link: what damages one of the two damages both.
  await writeFile(published, 'rot')
  expect(await store.verify(digest)).toBe('damaged')
  await push(store)
  expect(await store.verify(digest)).toBe('good')
  expect(await readFile(published)).toEqual(bytes)
  expect((await stat(published)).nlink).toBe(2)
  expect(await Bun.file(join(treeOf('testing'), blobPath(digest))).exists()).toBe(false)
})

test('a crash between the two leaves the store damaged, so that the next push mends both', async () => {
  const root = join(folder, 'crashing')
  const published = join(treeOf('stable'), blobPath(digest))
  {
    await using store = await DiskBlobStore.open(root)
    await store.put(digest, bytes)
    await store.place(digest, published)
    await writeFile(published, 'rot')
    store.onRepair(() => Promise.reject(new Error('the power went')))
    await expect(push(store)).rejects.toThrow('the power went')
    expect(await store.verify(digest)).toBe('damaged')
  }
  await using store = await DiskBlobStore.open(root)
  store.onRepair((damaged, place) => repairLinks(damaged, { catalogue, place, publicChannels: ['stable'], treeOf }))
  await push(store)
  expect([await store.verify(digest), (await readFile(published)).equals(bytes)]).toEqual(['good', true])
})
