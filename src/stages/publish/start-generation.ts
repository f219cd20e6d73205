// Fixes what a generation will hold, in one transaction, before anything is written. From here on it can be rendered again and again to
// the same bytes, so that a crash at any moment is repaired by doing it once more.

import {
  addGeneration,
  addGenerationRepositories,
  findLatestGeneration,
  type GenerationRow,
  listUnpublished,
} from '#catalogue/generations.ts'
import type { PublishStores } from './publish-stores.ts'

export type StartedGeneration = {
  readonly generation: GenerationRow
  readonly before: GenerationRow | undefined
  /** It was started before and never finished. */
  readonly isResumed: boolean
}

/** Undefined: nothing changed since the last one. A generation that was started and not finished comes first. */
export async function startGeneration(
  channel: string,
  about: { readonly actor: string; readonly reason?: string | undefined },
  { catalogue, now, smallBlobBytes, trust }: PublishStores,
): Promise<StartedGeneration | undefined> {
  const floor = await trust.generationFloor(channel)
  return await catalogue.transaction().execute(async (tx) => {
    const before = await findLatestGeneration(tx, channel, 'published')
    const unfinished = await findLatestGeneration(tx, channel, 'rendering')
    if (unfinished) return { generation: unfinished, before, isResumed: true }
    const changed = await listUnpublished(tx, channel)
    // The first generation may be empty: front doors and hosts then have something signed to start from.
    // So must the first of an epoch (docs/operate.md, "Restoring a backup"): what was published before is over.
    if (changed.length === 0 && before && before.number > floor) return undefined
    const number = Math.max(before?.number ?? 0, floor) + 1
    await addGeneration(tx, { channel, number, createdAtMs: now(), ...about, summary: { smallBlobBytes } })
    await addGenerationRepositories(tx, channel, number, changed)
    const generation = (await findLatestGeneration(tx, channel, 'rendering'))!
    return { generation, before, isResumed: false }
  })
}
