// What a tree needs between generations: metadata that do not expire, the newest popularity list, and no files that nobody needs.

import { changeSummary, findLatestGeneration } from '#catalogue/generations.ts'
import { newestPopularity } from './newest-popularity.ts'
import type { PublishStores } from './publish-stores.ts'
import { readExpiry, readMetadata } from './read-metadata.ts'
import { contentsOf, type Summary } from './render-generation.ts'
import { type ThinLimits, thinTree } from './thin-tree.ts'
import { resignContents } from './write-metadata.ts'

export type KeptTree = { readonly isSigned: boolean; readonly removed: readonly string[] }

/** Not while a publication of the channel is under way. Leaves a tree alone whose next generation is half rendered: that comes first. */
export async function keepTree(channel: string, stores: PublishStores, limits: ThinLimits): Promise<KeptTree> {
  const { catalogue, trust, treeOf, now } = stores
  const newest = await findLatestGeneration(catalogue, channel, 'published')
  if (!newest || (await findLatestGeneration(catalogue, channel, 'rendering'))) return { isSigned: false, removed: [] }
  // A new epoch begins with a generation: the old one is not signed any more.
  if (newest.number <= (await trust.generationFloor(channel))) return { isSigned: false, removed: [] }
  const root = treeOf(channel)
  const before = newest.summary as Summary
  const popularity = await newestPopularity(root, channel, before, stores)
  const summary: Summary = { ...before, ...popularity }
  if (popularity.popularAtMs !== before.popularAtMs)
    await catalogue.transaction().execute((tx) => changeSummary(tx, channel, newest.number, summary))
  const isSigned = await resignContents(root, contentsOf({ ...newest, summary }), trust)
  return { isSigned, removed: await thinTree(root, now(), limits) }
}

/** Whether half of the timestamp's life is over, or a new root is to be taken up. Reads two files. */
export async function isResigningDue(
  root: string,
  { timestampMs, newestRoot, nowMs }: { timestampMs: number; newestRoot: number; nowMs: number },
): Promise<boolean> {
  const expiresAtMs = await readExpiry(root)
  if (expiresAtMs === undefined) return false
  return expiresAtMs - nowMs <= timestampMs / 2 || !(await readMetadata(root, `${newestRoot}.root.json`))
}
