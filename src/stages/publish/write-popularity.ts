// The popularity list of a channel: what was pulled most, from the catalogue into the tree. It is not part of a generation: what is
// popular changes while what is published does not.

import { createReadStream } from 'node:fs'
import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { dayOf, listPopular } from '#catalogue/pulls.ts'
import type { Catalogue } from '#catalogue/schema.ts'
import { makeFolder } from '#kit/atomic-file.ts'
import { hashFile } from '#kit/hash-file.ts'
import { makeDigest } from '#oci/digest.ts'
import {
  maxPopularLines,
  type PopularityLine,
  PopularityListRefused,
  readPopularityList,
  writePopularityList,
} from '#snapshots/popularity-list.ts'
import type { PopularFile } from '#snapshots/tree-contents.ts'
import { parseTreePath, popularityPath } from '#snapshots/tree-path.ts'

/** As the signed targets name it. Not new: the list before says the same, and is this one. */
export type WrittenPopularity = { readonly file: PopularFile; readonly isNew: boolean }

export type PopularityStores = { readonly catalogue: Catalogue; readonly now: () => number }

/**
 * Writes list `number` of the channel below `root`. Undefined when no blob of the tree was pulled yet. When the last list before has
 * the same lines nothing is written, and that one is described. A file of this very number, left by a crash before it was signed, is
 * replaced.
 */
export async function writePopularity(
  root: string,
  channel: string,
  number: number,
  { catalogue, now }: PopularityStores,
): Promise<WrittenPopularity | undefined> {
  const builtAtMs = now()
  const lines = await listPopular(catalogue, channel, dayOf(builtAtMs), maxPopularLines)
  if (lines.length === 0) return undefined
  const before = await findLastPopularity(root, number)
  if (before !== undefined && (await hasSameLines(root, { channel, number: before }, lines)))
    return { file: await describe(root, before), isNew: false }
  const path = popularityPath(number)
  await makeFolder(join(root, 'lists'))
  const written = await writePopularityList(
    join(root, path),
    { channel, number, count: lines.length, builtAtMs },
    lines,
  )
  return { file: { path, number, ...written }, isNew: true }
}

/** The highest number of a list in the tree, below `before` if that is given. */
export async function findLastPopularity(root: string, before = Number.POSITIVE_INFINITY): Promise<number | undefined> {
  const names = await readdir(join(root, 'lists')).catch((error) => {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  })
  const numbers = names.flatMap((name) => {
    const found = parseTreePath(`lists/${name}`)
    return found?.kind === 'popular' && found.number < before ? [found.number] : []
  })
  return numbers.length === 0 ? undefined : numbers.reduce((most, one) => Math.max(most, one))
}

async function hasSameLines(
  root: string,
  about: { readonly channel: string; readonly number: number },
  lines: readonly PopularityLine[],
): Promise<boolean> {
  let at = 0
  try {
    for await (const line of readPopularityList(createReadStream(join(root, popularityPath(about.number))), about)) {
      const mine = lines[at++]
      if (line.digest !== mine?.digest || line.score !== mine.score || line.sizeBytes !== mine.sizeBytes) return false
    }
  } catch (error) {
    // Damaged on our own disk: a new one takes its place in the signed metadata.
    if (error instanceof PopularityListRefused) return false
    throw error
  }
  return at === lines.length
}

async function describe(root: string, number: number): Promise<PopularFile> {
  const path = popularityPath(number)
  const { size } = await stat(join(root, path))
  return { path, number, sizeBytes: size, digest: makeDigest('sha256', await hashFile(join(root, path), 'sha256')) }
}
