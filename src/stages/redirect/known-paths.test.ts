import { expect, test } from 'bun:test'
import { setImmediate as turn } from 'node:timers/promises'
import type { PublishedBlob, PublishedRepository } from '#snapshots/publication.ts'
import type { PublicationIndex } from '#snapshots/publication-index.ts'
import { KnownPaths } from './known-paths.ts'

const publication = { generation: 1 } as PublicationIndex
const repository = { name: 'a' } as PublishedRepository
const found = { sizeBytes: 1 } as PublishedBlob
const treePath = 'blobs/sha256/00/0'
const known = { repository, found, treePath }
const digest = (end: string) => `sha256:${'0'.repeat(64 - end.length)}${end}`

test('a path is known in its own publication only', () => {
  const paths = new KnownPaths()
  const path = `/v2/a/blobs/${digest('1')}`
  paths.keep(path, publication, known)
  expect<object | undefined>(paths.find(path, publication)).toEqual({ path, ...known })
  expect(paths.find(path, { ...publication })).toBeUndefined()
})

test.each([
  ['of another repository', `/v2/b/blobs/${digest('1')}`],
  ['of another kind', `/v2/a/manifests/${digest('1')}`],
  ['that shares its place', `/v2/a/blobs/${digest('40001')}`],
  ['that is longer', `/v2/a/blobs/${digest('1')}1`],
  ['that is nothing', ''],
])('one %s is not it', (_, other) => {
  const paths = new KnownPaths()
  paths.keep(`/v2/a/blobs/${digest('1')}`, publication, known)
  expect(paths.find(other, publication)).toBeUndefined()
})

test('paths that are longer than any are not kept', () => {
  const paths = new KnownPaths()
  const path = `/v2/${'a/'.repeat(300)}blobs/${digest('1')}`
  paths.keep(path, publication, known)
  expect(paths.find(path, publication)).toBeUndefined()
})

test('no publication stays in memory for paths that were asked for once', async () => {
  const paths = new KnownPaths()
  const olds: WeakRef<PublicationIndex>[] = []
  for (let generation = 1; generation <= 50; generation++) {
    const made = { generation } as PublicationIndex
    paths.keep(`/v2/a/blobs/${digest(String(generation))}`, made, known)
    olds.push(new WeakRef(made))
  }
  await turn()
  Bun.gc(true)
  // The collector may take what still stands on the stack for a reference.
  expect(olds.filter((old) => old.deref() !== undefined).length).toBeLessThan(5)
  expect(paths.find('/v2/a/blobs/none', publication)).toBeUndefined()
})
