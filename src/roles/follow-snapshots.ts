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

const followEveryMs = 1000
const maxBackoffMs = 30_000
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
  const source = folderSource(tree)
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
  const snapshots = folderSource(join(config.data, 'snapshots'))
  const documents = [
    await followDocument({
      source: snapshots,
      path: `${config.publicChannel}/placement.json`,
      copy: join(kept, 'placement.json'),
      take: (bytes) => holder.takePlacement(parseDocument<PlacementDocument>(bytes)),
      log: logError,
    }),
    await followDocument({
      source: snapshots,
      path: 'health.json',
      copy: join(kept, 'health.json'),
      take: (bytes) => holder.takeHealth(parseDocument<HealthDocument>(bytes)),
      log: logError,
    }),
  ]
  // Each for itself: a tree that is refused must not keep news of the hosts away.
  const options = { intervalMs: followEveryMs, maxBackoffMs, random: Math.random, log: logError }
  const followers = [
    startFollower(() => publication.step(), options),
    ...documents.map((step) => startFollower(step, options)),
  ]
  const all = (what: 'runNow' | 'stop') => Promise.all(followers.map((one) => one[what]())).then(() => undefined)
  const follower: Follower = { runNow: () => all('runNow'), stop: () => all('stop') }
  await follower.runNow()
  return { holder, follower }
}
