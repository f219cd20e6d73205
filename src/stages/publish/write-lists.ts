// The blob lists of a generation: what came, and at a checkpoint all there is.

import { join } from 'node:path'
import { listTreeBlobs, type TreeBlob } from '#catalogue/generations.ts'
import type { Catalogue } from '#catalogue/schema.ts'
import { type BlobListLine, writeBlobList } from '#snapshots/blob-list.ts'
import { type TreeFile, treeFile } from '#snapshots/tree-contents.ts'
import { needsCheckpoint, withFiles } from './checkpoints.ts'
import type { PublishStores } from './publish-stores.ts'

const page = 1000

export async function writeLists(
  root: string,
  channel: string,
  number: number,
  before: readonly TreeFile[],
  added: readonly TreeBlob[],
  { catalogue }: PublishStores,
): Promise<TreeFile[]> {
  const files: TreeFile[] = []
  if (before.length > 0) {
    const header = { channel, from: number - 1, to: number, count: added.length }
    const written = await writeBlobList(
      join(root, `lists/${number - 1}-${number}.gz`),
      header,
      added.map((blob) => ({ ...blob, sign: '+' as const })),
    )
    files.push(treeFile('list', { from: number - 1, to: number }, written))
  }
  if (needsCheckpoint([...before, ...files])) {
    const count = (await countTreeBlobs(catalogue, channel)) + added.length
    const written = await writeBlobList(
      join(root, `lists/${number}.gz`),
      { channel, from: 0, to: number, count },
      wholeList(catalogue, channel, added),
    )
    files.push(treeFile('list', { from: 0, to: number }, written))
  }
  return withFiles(before, files)
}

async function countTreeBlobs(catalogue: Catalogue, channel: string): Promise<number> {
  const row = await catalogue
    .selectFrom('tree_blobs')
    .select((select) => select.fn.countAll().as('count'))
    .where('channel', '=', channel)
    .executeTakeFirstOrThrow()
  return Number(row.count)
}

/** What the tree carried before and what comes now, merged in order of digest. */
async function* wholeList(
  catalogue: Catalogue,
  channel: string,
  added: readonly TreeBlob[],
): AsyncIterable<BlobListLine> {
  let next = 0
  for (let after = ''; ; ) {
    const rows = await listTreeBlobs(catalogue, channel, after, page)
    for (const row of rows) {
      while (next < added.length && added[next]!.digest < row.digest) yield { ...added[next++]!, sign: '' }
      yield { ...row, sign: '' }
    }
    if (rows.length < page) break
    after = rows.at(-1)!.digest
  }
  while (next < added.length) yield { ...added[next++]!, sign: '' }
}
