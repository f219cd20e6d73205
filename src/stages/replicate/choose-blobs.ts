// From what a person asked for to the blobs that this copy carries.

import { createReadStream } from 'node:fs'
import { join } from 'node:path'
import type { ListedBlob } from '#snapshots/blob-list.ts'
import { chooseByPopularity, copyLimitDefaults } from '#snapshots/choose-by-popularity.ts'
import { PopularityListRefused, readPopularityList } from '#snapshots/popularity-list.ts'
import type { TreeContents } from '#snapshots/tree-contents.ts'
import { findNamedBlobs } from './named-blobs.ts'
import { wantedBlobs } from './plan-blobs.ts'
import { findHeldGeneration, type ReplicaFolder, readHeldList } from './replica-folder.ts'
import { ReplicateError } from './replicate-error.ts'
import { describeSelection, fitsSize, type SelectionOptions } from './selection.ts'

/** Undefined: all blobs. Throws ReplicateError when nothing at all is left of what the tree has. */
export async function chooseBlobs(
  replica: ReplicaFolder,
  contents: TreeContents,
  options: SelectionOptions,
): Promise<((blob: ListedBlob) => boolean) | undefined> {
  if (describeSelection(options) === '') return undefined
  const { repositories, platforms, capBytes } = options
  const isByName = repositories.length > 0 || platforms.length > 0
  const named = isByName ? await findNamedBlobs(replica.folder, contents, { repositories, platforms }) : undefined
  const fits = (blob: ListedBlob) => fitsSize(blob.sizeBytes, options) && (named?.digests.has(blob.digest) ?? true)
  if (capBytes === undefined) {
    await refuseNothing(wantedBlobs(replica, contents, 0), fits, options, named?.unmatched)
    return fits
  }
  const scores = await readScores(replica, contents)
  const held = await heldDigests(replica, contents)
  const limits = { ...copyLimitDefaults, capBytes }
  const all = filtered(wantedBlobs(replica, contents, 0), fits)
  const chosen = await chooseByPopularity(all, { scores, isHeld: (digest) => held.has(digest) }, limits)
  const isChosen = (blob: ListedBlob) => chosen.digests.has(blob.digest)
  await refuseNothing(wantedBlobs(replica, contents, 0), isChosen, options, named?.unmatched)
  return isChosen
}

export async function* filtered(
  blobs: AsyncIterable<ListedBlob>,
  wants: (blob: ListedBlob) => boolean,
): AsyncGenerator<ListedBlob> {
  for await (const blob of blobs) if (wants(blob)) yield blob
}

/** A slip in a filter must not empty a copy. */
async function refuseNothing(
  blobs: AsyncIterable<ListedBlob>,
  wants: (blob: ListedBlob) => boolean,
  options: SelectionOptions,
  unmatched: readonly string[] = [],
): Promise<void> {
  let isEmpty = true
  for await (const blob of blobs) {
    if (wants(blob)) return
    isEmpty = false
  }
  if (isEmpty) return
  const why = unmatched.length > 0 ? `: ${unmatched.join(', ')}` : ''
  throw new ReplicateError('selection', `nothing is left of the tree by ${describeSelection(options)}${why}`)
}

/** Nothing was counted yet: the newest blobs are chosen. */
async function readScores(
  { folder }: ReplicaFolder,
  { popular, channel }: TreeContents,
): Promise<ReadonlyMap<string, number>> {
  const scores = new Map<string, number>()
  if (!popular) return scores
  try {
    const packed = createReadStream(join(folder, popular.path))
    for await (const { digest, score } of readPopularityList(packed, { channel, number: popular.number })) {
      scores.set(digest, score)
    }
    return scores
  } catch (error) {
    if (!(error instanceof PopularityListRefused)) throw error
    throw new ReplicateError('source', `${popular.path}: ${error.message}`, { cause: error })
  }
}

async function heldDigests(replica: ReplicaFolder, { channel }: TreeContents): Promise<ReadonlySet<string>> {
  const held = new Set<string>()
  const generation = await findHeldGeneration(replica)
  if (generation > 0) for await (const { digest } of readHeldList(replica, channel, generation)) held.add(digest)
  return held
}
