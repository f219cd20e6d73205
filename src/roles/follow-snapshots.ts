// The three snapshots of the data plane, followed from folders of this machine; copies in `kept` let the next start need nobody.

import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Logger } from 'pino'
import type { Config } from '#config/config.ts'
import { createFileAtomically, makeFolder } from '#kit/atomic-file.ts'
import { followDocument, parseDocument } from '#snapshots/follow-document.ts'
import { PublicationFollower } from '#snapshots/follow-publication.ts'
import { type Follower, startFollower } from '#snapshots/follower.ts'
import type { HealthDocument } from '#snapshots/health.ts'
import { SnapshotHolder } from '#snapshots/holder.ts'
import type { PlacementDocument } from '#snapshots/placement.ts'
import { keyPath } from '#snapshots/pointer.ts'
import { folderSource } from '#snapshots/snapshot-source.ts'
import { type PublicKey, parsePublicKey } from '#trust/public-key.ts'
import { Verifier } from '#trust/verifier.ts'

/** How often data planes look for news in a folder. */
export const followPace = { intervalMs: 1000, maxBackoffMs: 30_000 } as const
/** A chain of more packs than this is begun anew from a whole one. */
const maxPacks = 64

/** Resolves when it has what there is. */
export async function followSnapshots(
  config: Config,
  log: Logger,
  kept: string,
): Promise<{ holder: SnapshotHolder; follower: Follower }> {
  const tree = join(config.tree, config.publicChannel)
  await makeFolder(kept)
  const logError = (error: unknown) => log.warn({ err: error }, 'a snapshot was not taken; the one before stays')
  const holder = new SnapshotHolder(config.publicChannel)
  let verifier: Verifier | undefined
  const publication = await PublicationFollower.open({
    holder,
    source: folderSource(tree),
    folder: kept,
    // The first key that is seen is kept: a tree that shows another one later is refused.
    findSigner: (bytes, signatures) => verifier?.findSigner(bytes, signatures),
    log: logError,
    maxPacks,
  })
  const documents = await followFleet({ config, holder, kept, log: logError })
  // Each for itself: a pointer that is refused must not keep news of the hosts away.
  const options = { ...followPace, random: Math.random, log: logError }
  const followers = [
    startFollower(async () => {
      verifier ??= await openVerifier(tree, kept)
      if (verifier) await publication.step()
    }, options),
    ...documents.map((step) => startFollower(step, options)),
  ]
  const follower = together(followers)
  await follower.runNow()
  return { holder, follower }
}

export type FollowedFleet = {
  readonly config: Config
  readonly holder: Pick<SnapshotHolder, 'takePlacement' | 'takeHealth'>
  /** Where copies are kept for the next start. */
  readonly kept: string
  readonly log: (error: unknown) => void
}

/** The steps that look for a new placement and for new health; what the last run left is taken at once. */
export async function followFleet({ config, holder, kept, log }: FollowedFleet): Promise<(() => Promise<void>)[]> {
  const source = folderSource(join(config.data, 'snapshots'))
  return [
    await followDocument({
      source,
      path: `${config.publicChannel}/placement.json`,
      copy: join(kept, 'placement.json'),
      take: (bytes) => holder.takePlacement(parseDocument<PlacementDocument>(bytes)),
      log,
    }),
    await followDocument({
      source,
      path: 'health.json',
      copy: join(kept, 'health.json'),
      take: (bytes) => holder.takeHealth(parseDocument<HealthDocument>(bytes)),
      log,
    }),
  ]
}

export function together(followers: readonly Follower[]): Follower {
  const all = (what: 'runNow' | 'stop') => Promise.all(followers.map((one) => one[what]())).then(() => undefined)
  return { runNow: () => all('runNow'), stop: () => all('stop') }
}

/** The key of the tree as it was seen first. */
async function openVerifier(tree: string, kept: string): Promise<Verifier | undefined> {
  const path = join(kept, 'key.json')
  const known = await readKey(path)
  const key = known ?? (await readKey(join(tree, keyPath)))
  if (!key) return undefined
  if (!known) await createFileAtomically(path, await readFile(join(tree, keyPath)), 0o644)
  return new Verifier([key])
}

async function readKey(path: string): Promise<PublicKey | undefined> {
  try {
    return parsePublicKey(await readFile(path, 'utf8'))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}
