// Writes generation N of a channel: blobs, list, pack, and last of all the signed metadata. Everything before those is invisible,
// and everything is written again to the same bytes when a crash came between.

import { join } from 'node:path'
import { emit } from '#catalogue/events.ts'
import { type GenerationRow, markPublished } from '#catalogue/generations.ts'
import type { Catalogue } from '#catalogue/schema.ts'
import { addTreeBlobs, type TreeBlob } from '#catalogue/tree-blobs.ts'
import { makeFolder } from '#kit/atomic-file.ts'
import type { PackRepository } from '#snapshots/catalogue-pack.ts'
import type { TreeContents, TreeFile } from '#snapshots/tree-contents.ts'
import { newestPopularity, type Popularity } from './newest-popularity.ts'
import { type PublishControl, placeBlobs } from './place-blobs.ts'
import type { PublishStores } from './publish-stores.ts'
import { type StartedGeneration, startGeneration } from './start-generation.ts'
import { sweepTree } from './sweep-tree.ts'
import { writeLists } from './write-lists.ts'
import { writeContents } from './write-metadata.ts'
import { describeSpan, wholeCatalogue, writePacks } from './write-packs.ts'

export type Summary = {
  readonly smallBlobBytes: number
  readonly repositoriesChanged: number
  readonly blobsAdded: number
  readonly bytesAdded: number
  readonly blobsCopied: number
  readonly lists: readonly TreeFile[]
  readonly packs: readonly TreeFile[]
} & Popularity

/** What the signed metadata say while the generation is the newest. */
export function contentsOf({ channel, number, createdAtMs, summary }: GenerationRow): TreeContents {
  const { lists, packs, popular } = summary as Summary
  return { channel, generation: number, createdAtMs, lists, packs, popular }
}

export type Published = {
  readonly channel: string
  readonly generation: number
  readonly isNew: boolean
  readonly summary: Summary | undefined
}

/** Publishes what changed. A generation that a crash left unfinished is finished first, and then what came since. */
export async function renderGeneration(
  channel: string,
  about: { actor: string; reason?: string | undefined },
  stores: PublishStores,
  control: PublishControl,
): Promise<Published> {
  let last: Published | undefined
  for (;;) {
    const started = await startGeneration(channel, about, stores)
    if (started) last = await render(started, stores, control)
    if (started?.isResumed) continue
    return (
      last ?? { channel, generation: await latestNumber(stores.catalogue, channel), isNew: false, summary: undefined }
    )
  }
}

async function render(
  { generation, before, isResumed }: StartedGeneration,
  given: PublishStores,
  control: PublishControl,
): Promise<Published> {
  const { channel, number } = generation
  const past = before?.summary as Summary | undefined
  // As it was when the generation began: the option may have changed between a crash and now.
  const { smallBlobBytes } = generation.summary as Pick<Summary, 'smallBlobBytes'>
  const stores = { ...given, smallBlobBytes }
  const root = stores.treeOf(channel)
  if (isResumed) await sweepTree(root)
  for (const folder of ['blobs', 'lists', 'catalogue', 'metadata', 'trace']) await makeFolder(join(root, folder))

  const described: PackRepository[] = []
  for await (const one of describeSpan(channel, { from: number - 1, to: number }, stores)) described.push(one)
  // With a lower limit, blobs of repositories that did not change are large now: whole packs point to the tree for them.
  const isLimitLower = past !== undefined && smallBlobBytes < past.smallBlobBytes
  const placed = isLimitLower ? wholeCatalogue(channel, number, stores) : described
  const { added, copied } = await placeBlobs({ channel, number }, placed, stores, control)
  // After a jump into a new epoch there are no changes since anything: what others hold of its numbers was of another time.
  const held = before?.number === number - 1 ? past : undefined
  const lists = await writeLists(root, { channel, number }, held?.lists, added, stores)
  const packs = await writePacks(root, generation, held?.packs, described, stores)
  const popularity = await newestPopularity(root, channel, past ?? {}, stores)
  const summary: Summary = {
    smallBlobBytes,
    repositoriesChanged: described.length,
    blobsAdded: added.length,
    bytesAdded: added.reduce((sum, blob) => sum + blob.sizeBytes, 0),
    blobsCopied: copied,
    lists,
    packs,
    ...popularity,
  }
  control.signal.throwIfAborted()
  await writeContents(root, contentsOf({ ...generation, summary }), stores.trust)
  await recordPublished({ channel, number }, added, summary, stores)
  return { channel, generation: number, isNew: true, summary }
}

async function recordPublished(
  { channel, number }: { channel: string; number: number },
  added: readonly TreeBlob[],
  summary: Summary,
  { catalogue, now }: PublishStores,
): Promise<void> {
  const { repositoriesChanged, blobsAdded, bytesAdded } = summary
  await catalogue.transaction().execute(async (tx) => {
    const atMs = now()
    await addTreeBlobs(tx, channel, added)
    await markPublished(tx, channel, number, summary, atMs)
    await emit(tx, {
      type: 'generation.published',
      subject: `${channel}/${number}`,
      data: { channel, generation: number, repositoriesChanged, blobsAdded, bytesAdded },
      atMs,
    })
  })
}

async function latestNumber(catalogue: Catalogue, channel: string): Promise<number> {
  const row = await catalogue
    .selectFrom('generations')
    .select((select) => select.fn.max('number').as('number'))
    .where('channel', '=', channel)
    .executeTakeFirst()
  return Number(row?.number ?? 0)
}
