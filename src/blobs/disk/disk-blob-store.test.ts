import { afterAll, expect, test } from 'bun:test'
import { mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { blobStoreContract } from '#blobs/blob-store-contract.ts'
import { digestOf } from '#blobs/hashing.ts'
import { blobPath } from '#oci/digest.ts'
import { DiskBlobStore } from './disk-blob-store.ts'

const folders: string[] = []
async function folder(): Promise<string> {
  const made = await mkdtemp(join(tmpdir(), 'blobs-'))
  folders.push(made)
  return made
}
afterAll(async () => {
  for (const one of folders) await rm(one, { recursive: true })
})

blobStoreContract('DiskBlobStore', async () => {
  const root = await folder()
  return {
    open: () => DiskBlobStore.open(root),
    damage: (digest, bytes) => writeFile(join(root, blobPath(digest)), bytes),
  }
})

test('files are 0644 and folders 0755 whatever the umask', async () => {
  const before = process.umask(0o077)
  try {
    const root = join(await folder(), 'new')
    await using store = await DiskBlobStore.open(root)
    const digest = digestOf('x')
    await store.put(digest, new TextEncoder().encode('x'))
    const path = join(root, blobPath(digest))
    expect((await stat(path)).mode & 0o777).toBe(0o644)
    for (const up of ['..', '../..', '../../..', '../../../..']) {
      expect((await stat(join(path, up))).mode & 0o777).toBe(0o755)
    }
  } finally {
    process.umask(before)
  }
})

test('place hard-links inside one file system and copies to another', async () => {
  const root = await folder()
  await using store = await DiskBlobStore.open(root)
  const digest = digestOf('y')
  await store.put(digest, new TextEncoder().encode('y'))
  expect(await store.place(digest, join(root, 'tree', 'y'))).toBe('linked')
  expect((await stat(join(root, 'tree', 'y'))).nlink).toBe(2)
  const elsewhere = await mkdtemp('/dev/shm/blobs-')
  folders.push(elsewhere)
  expect(await store.place(digest, join(elsewhere, 'y'))).toBe('copied')
  expect(await readdir(elsewhere)).toEqual(['y'])
})

test('a torn description of an upload is no upload', async () => {
  const root = await folder()
  await using store = await DiskBlobStore.open(root)
  const id = '00000000-0000-4000-8000-000000000000'
  await writeFile(join(root, 'uploads', id), 'abc')
  await writeFile(join(root, 'uploads', `${id}.json`), '{"repos')
  expect(await store.findUpload(id)).toBeUndefined()
})
