// The three snapshots of the data plane, followed from folders of this machine; copies in `kept` let the next start need nobody.

import { join } from 'node:path'
import type { Logger } from 'pino'
import type { Config } from '#config/config.ts'
import { makeFolder } from '#kit/atomic-file.ts'
import { followDocument, parseDocument } from '#snapshots/follow-document.ts'
import { PublicationFollower } from '#snapshots/follow-publication.ts'
import { type Follower, startFollower } from '#snapshots/follower.ts'
import type { HealthDocument } from '#snapshots/health.ts'
import { SnapshotHolder } from '#snapshots/holder.ts'
import type { PlacementDocument } from '#snapshots/placement.ts'
import { folderSource } from '#snapshots/snapshot-source.ts'
import { TreeNews } from './tree-news.ts'

/** How often data planes look for news in a folder. */
export const followPace = { intervalMs: 1000, maxBackoffMs: 30_000 } as const
/** A chain of more packs than this is made shorter. */
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
  const source = folderSource(tree, { isOurs: true })
  const chain = {
    source,
    folder: join(kept, 'metadata'),
    channel: config.publicChannel,
    root: undefined,
    now: Date.now,
  }
  const publication = await PublicationFollower.open({
    holder,
    news: new TreeNews(chain),
    source,
    folder: kept,
    log: logError,
    maxPacks,
  })
  const documents = await followFleet({ config, holder, kept, log: logError })
  // Each for itself: a tree that is refused must not keep news of the hosts away.
  const options = { ...followPace, random: Math.random, log: logError }
  const followers = [
    startFollower(() => publication.step(), options),
    ...documents.map((step) => startFollower(step, options)),
  ]
  const follower = together(followers)
  await follower.runNow()
  return { holder, follower }
}

export type FollowedFleet = {
  readonly config: Config
  readonly holder: Pick<SnapshotHolder, 'takePlacementGently' | 'takeHealth'>
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
      take: (bytes) => holder.takePlacementGently(parseDocument<PlacementDocument>(bytes)),
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
