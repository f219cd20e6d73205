// The blob lists of a generation: what came, what becomes one list of it, and at a checkpoint all there is.

import { createReadStream } from 'node:fs'
import { join } from 'node:path'
import type { Catalogue } from '#catalogue/schema.ts'
import { countTreeBlobs, listTreeBlobs, type TreeBlob } from '#catalogue/tree-blobs.ts'
import { type BlobListLine, readBlobList, writeBlobList } from '#snapshots/blob-list.ts'
import { mergeChanges } from '#snapshots/merge-lists.ts'
import { type TreeFile, treeFile } from '#snapshots/tree-contents.ts'
import { type Span, spanPath } from '#snapshots/tree-path.ts'
import type { PublishStores } from './publish-stores.ts'
import { requireIntact, writeRuns } from './write-runs.ts'

const page = 1000

export async function writeLists(
  root: string,
  { channel, number }: { readonly channel: string; readonly number: number },
  before: readonly TreeFile[] | undefined,
  added: readonly TreeBlob[],
  { catalogue }: PublishStores,
): Promise<TreeFile[]> {
  const write = async (span: Span, count: number, lines: AsyncIterable<BlobListLine> | Iterable<BlobListLine>) => {
    const written = await writeBlobList(join(root, spanPath('list', span)), { channel, ...span, count }, lines)
    return treeFile('list', span, written)
  }
  return await writeRuns(before, {
    change: () =>
      write(
        { from: number - 1, to: number },
        added.length,
        added.map((blob) => ({ ...blob, sign: '+' as const })),
      ),
    async merge(group, span) {
      for (const file of group) await requireIntact(root, file)
      let count = 0
      for await (const _ of mergedLines(root, channel, group)) count++
      return await write(span, count, mergedLines(root, channel, group))
    },
    checkpoint: async () =>
      write(
        { from: 0, to: number },
        (await countTreeBlobs(catalogue, channel)) + added.length,
        wholeList(catalogue, channel, added),
      ),
  })
}

/** Read twice, because a list begins with its count: reading is cheap, and a million lines are not held in memory. */
function mergedLines(root: string, channel: string, group: readonly TreeFile[]): AsyncIterable<BlobListLine> {
  return mergeChanges(
    group.map(({ path, from, to }) =>
      readBlobList(createReadStream(join(root, path)), { channel, from, to }, { maxBytes: Number.MAX_SAFE_INTEGER }),
    ),
  )
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
