// The popularity list that the metadata name: made anew when the last one is old, kept otherwise.

import type { PopularFile } from '#snapshots/tree-contents.ts'
import type { PublishStores } from './publish-stores.ts'
import { findLastPopularity, writePopularity } from './write-popularity.ts'

/** As the newest generation's summary has it. */
export type Popularity = {
  readonly popular?: PopularFile | undefined
  /** When what was pulled was looked at last; it may have said the same as before. */
  readonly popularAtMs?: number
}

export async function newestPopularity(
  root: string,
  channel: string,
  { popular, popularAtMs }: Popularity,
  stores: Pick<PublishStores, 'catalogue' | 'now' | 'popularityMs'>,
): Promise<Popularity> {
  const nowMs = stores.now()
  const isRecent = popularAtMs !== undefined && Math.abs(nowMs - popularAtMs) < stores.popularityMs
  if (isRecent) return { popular, popularAtMs }
  // Never a number that was there: somebody may have read what it was, signed.
  const number = Math.max(popular?.number ?? 0, (await findLastPopularity(root)) ?? 0) + 1
  const written = await writePopularity(root, channel, number, stores)
  return { popular: written?.file ?? popular, popularAtMs: nowMs }
}
