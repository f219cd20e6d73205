// The three snapshots of the data plane, followed from folders of this machine or from other machines of ours; copies in `kept` let
// the next start need nobody.

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
import { folderSource, type SnapshotSource } from '#snapshots/snapshot-source.ts'
import type { WithdrawalsDocument } from '#snapshots/withdrawals.ts'
import { type GivenRoot, requireSameRoot } from './first-root.ts'
import { TreeNews } from './tree-news.ts'

/** How often data planes look for news in a folder. */
export const followPace = { intervalMs: 1000, maxBackoffMs: 30_000 } as const
/** A chain of more packs than this is made shorter. */
const maxPacks = 64

/** Where snapshots are followed. */
export type SnapshotPlaces = {
  /** Placement, health and withdrawals. */
  readonly documents: SnapshotSource
  /** The documents lie on another machine. */
  readonly isElsewhere: boolean
  readonly tree: SnapshotSource
  /** What the tree must begin with; undefined: the first root that is seen is kept. */
  readonly root: GivenRoot | undefined
  /** The folder of the tree whose blobs can be opened here; undefined: they lie at the origin only. */
  readonly blobs: string | undefined
}

/** The data folder, where control plane and data plane share one. */
export function placesInFolder(config: Config): SnapshotPlaces {
  const tree = join(config.tree, config.publicChannel)
  return {
    documents: folderSource(join(config.data, 'snapshots')),
    isElsewhere: false,
    tree: folderSource(tree, { isOurs: true }),
    root: undefined,
    blobs: tree,
  }
}

/** Resolves when it has what there is. Throws ConfigError when another root was trusted before than the one that is given. */
export async function followSnapshots(
  config: Config,
  log: Logger,
  { kept, places }: { readonly kept: string; readonly places: SnapshotPlaces },
): Promise<{ holder: SnapshotHolder; follower: Follower }> {
  await makeFolder(kept)
  if (places.root !== undefined) await requireSameRoot(join(kept, 'metadata'), places.root)
  const logError = (error: unknown) => log.warn({ err: error }, 'a snapshot was not taken; the one before stays')
  const holder = new SnapshotHolder(config.publicChannel)
  const source = places.tree
  const chain = {
    source,
    folder: join(kept, 'metadata'),
    channel: config.publicChannel,
    root: places.root,
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
  const documents = await followFleet({ config, holder, source: places.documents, kept, log: logError })
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
  readonly holder: Pick<SnapshotHolder, 'takePlacementGently' | 'takeHealth' | 'takeWithdrawals'>
  readonly source: SnapshotSource
  /** Where copies are kept for the next start. */
  readonly kept: string
  readonly log: (error: unknown) => void
}

/** The steps that look for what is new of hosts and withdrawals; what the last run left is taken at once. */
export async function followFleet({
  config,
  holder,
  source,
  kept,
  log,
}: FollowedFleet): Promise<(() => Promise<void>)[]> {
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
    await followDocument({
      source,
      path: 'withdrawals.json',
      copy: join(kept, 'withdrawals.json'),
      take: (bytes) => holder.takeWithdrawals(parseDocument<WithdrawalsDocument>(bytes)),
      log,
    }),
  ]
}

export function together(followers: readonly Follower[]): Follower {
  const all = (what: 'runNow' | 'stop') => Promise.all(followers.map((one) => one[what]())).then(() => undefined)
  return { runNow: () => all('runNow'), stop: () => all('stop') }
}
