// The catalogue packs of a generation: what changed, and at a checkpoint all there is.

import { join } from 'node:path'
import { type ChangedRepository, listRepositoriesAt } from '#catalogue/generations.ts'
import type { Digest } from '#oci/digest.ts'
import { type PackRepository, writePack } from '#snapshots/catalogue-pack.ts'
import { type TreeFile, treeFile } from '#snapshots/tree-contents.ts'
import { needsCheckpoint, withFiles } from './checkpoints.ts'
import { describeRepository } from './describe-repository.ts'
import type { PublishStores } from './publish-stores.ts'

const page = 1000

export async function writePacks(
  root: string,
  channel: string,
  generation: { number: number; createdAtMs: number },
  before: readonly TreeFile[],
  described: readonly PackRepository[],
  stores: PublishStores,
): Promise<TreeFile[]> {
  const { number, createdAtMs } = generation
  const files: TreeFile[] = []
  const header = { channel, to: number, createdAtMs, smallBlobBytes: stores.smallBlobBytes }
  const openBytes = async (digest: Digest) => {
    const body = await stores.blobs.open(digest)
    if (!body) throw new Error(`the bytes of ${digest} are gone: push it again`)
    return body.stream()
  }
  if (before.length > 0) {
    const written = await writePack(
      join(root, `catalogue/${number - 1}-${number}.pack`),
      { ...header, from: number - 1 },
      described,
      openBytes,
    )
    files.push(treeFile('pack', { from: number - 1, to: number }, written))
  }
  if (needsCheckpoint([...before, ...files])) {
    const written = await writePack(
      join(root, `catalogue/${number}.pack`),
      { ...header, from: 0 },
      wholeCatalogue(channel, number, stores),
      openBytes,
    )
    files.push(treeFile('pack', { from: 0, to: number }, written))
  }
  return withFiles(before, files)
}

export async function* wholeCatalogue(
  channel: string,
  number: number,
  { catalogue, smallBlobBytes }: PublishStores,
): AsyncIterable<PackRepository> {
  for (let after = ''; ; ) {
    const rows = await listRepositoriesAt(catalogue, channel, number, after, page)
    for (const { repositoryId, name, version } of rows) {
      const span: ChangedRepository = { repositoryId, name, from: 0, to: version }
      yield await describeRepository(catalogue, channel, span, number, smallBlobBytes)
    }
    if (rows.length < page) return
    after = rows.at(-1)!.name
  }
}
