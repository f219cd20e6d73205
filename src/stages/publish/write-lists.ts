// The blob lists of a generation: what came, what earlier lists say in fewer files, and now and then all there is.

import { createReadStream } from 'node:fs'
import { join } from 'node:path'
import { listTreeBlobs, type TreeBlob } from '#catalogue/generations.ts'
import type { Catalogue } from '#catalogue/schema.ts'
import { type BlobListLine, readBlobList, writeBlobList } from '#snapshots/blob-list.ts'
import { mergeBlobLists } from '#snapshots/merge-blob-lists.ts'
import type { TreeFile } from '#snapshots/tree-contents.ts'
import { spanPath } from '#snapshots/tree-path.ts'
import { extendRuns } from './extend-runs.ts'
import type { PublishStores } from './publish-stores.ts'

const page = 1000
/** A line of our own lists, unpacked, at most. */
const mostLineBytes = 200
const unpackedPerByte = 20

export async function writeLists(
  root: string,
  generation: { readonly channel: string; readonly number: number; readonly isBroken: boolean },
  before: readonly TreeFile[],
  added: readonly TreeBlob[],
  { catalogue }: Pick<PublishStores, 'catalogue'>,
): Promise<TreeFile[]> {
  const { channel, number, isBroken } = generation
  const pathOf = (span: { from: number; to: number }) => join(root, spanPath('list', span))
  const linesOf = ({ from, to, sizeBytes }: TreeFile) =>
    readBlobList(
      createReadStream(pathOf({ from, to })),
      { channel, from, to },
      { maxBytes: mostLineBytes + sizeBytes * unpackedPerByte },
    )
  return await extendRuns(number, before, isBroken, {
    kind: 'list',
    writeRun: (span) =>
      writeBlobList(
        pathOf(span),
        { channel, ...span, count: added.length },
        added.map((blob) => ({ ...blob, sign: '+' as const })),
      ),
    async merge(older, newer) {
      const span = { from: older.from, to: newer.to }
      const count = await countOf(mergeBlobLists(linesOf(older), linesOf(newer)))
      return writeBlobList(pathOf(span), { channel, ...span, count }, mergeBlobLists(linesOf(older), linesOf(newer)))
    },
    async writeWhole(span) {
      const count = (await countTreeBlobs(catalogue, channel)) + added.length
      return writeBlobList(pathOf(span), { channel, ...span, count }, wholeList(catalogue, channel, added))
    },
  })
}

/** The header of a list comes before its lines: they are read twice rather than held. */
async function countOf(lines: AsyncIterable<unknown>): Promise<number> {
  let count = 0
  for await (const _ of lines) count++
  return count
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
