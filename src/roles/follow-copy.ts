// The publication of a copied tree, followed in its folder. What was verified and taken lies in `kept`, packs included: the next start
// needs neither the origin nor, for manifests and small blobs, the copy.

import { join } from 'node:path'
import type { Logger } from 'pino'
import { makeFolder } from '#kit/atomic-file.ts'
import { PublicationFollower } from '#snapshots/follow-publication.ts'
import { type Follower, startFollower } from '#snapshots/follower.ts'
import { SnapshotHolder } from '#snapshots/holder.ts'
import { folderSource } from '#snapshots/snapshot-source.ts'
import { findFirstRoot, type GivenRoot, requireSameRoot } from './first-root.ts'
import { TreeNews } from './tree-news.ts'
import { TreeWatch } from './tree-watch.ts'

/** A refused tree is verified again at each look; a copy that was repaired is to be seen soon all the same. */
const pace = { intervalMs: 1000, maxBackoffMs: 4000 } as const
/** A chain of more packs than this is begun anew from a whole one. */
const maxPacks = 64
const tellAgainMs = 600_000

export type CopyOptions = {
  readonly copy: string
  readonly kept: string
  readonly root: GivenRoot | undefined
  readonly now: () => number
}

export type FollowedCopy = {
  readonly holder: SnapshotHolder
  readonly watch: TreeWatch
  readonly follower: Follower
  /** Fingerprint of the root that is trusted here; undefined: none yet. */
  readonly root: string | undefined
}

/** Resolves when it has what there is. Throws ConfigError when another root was trusted before than the one that is given. */
export async function followCopy({ copy, kept, root, now }: CopyOptions, log: Logger): Promise<FollowedCopy> {
  const trusted = join(kept, 'metadata')
  await makeFolder(kept)
  if (root !== undefined) await requireSameRoot(trusted, root)
  const holder = new SnapshotHolder(undefined)
  const source = folderSource(copy)
  const generation = () => holder.current.publication?.generation
  const news = new TreeNews({
    source,
    folder: trusted,
    channel: undefined,
    root,
    now,
    onFirstRoot: (fingerprint) =>
      log.info({ root: fingerprint, isGiven: root !== undefined }, 'the root of the copied tree that is trusted here'),
  })
  const watch = new TreeWatch({
    expiresAtMs: () => news.expiresAtMs,
    now,
    tellAgainMs,
    tell(what) {
      if (what) log.warn({ copy, generation: generation(), ...what }, 'the copied tree is not taken as it lies there')
      else log.info({ copy, generation: generation() }, 'the copied tree is taken again')
    },
  })
  const publication = await PublicationFollower.open({
    holder,
    news,
    source,
    folder: kept,
    log: (error) => log.warn({ err: error }, 'a file of the catalogue was passed over'),
    maxPacks,
  })
  const follower = startFollower(() => watch.look(() => publication.step()), {
    ...pace,
    random: Math.random,
    log: () => undefined, // the watch tells
  })
  await follower.runNow()
  return { holder, watch, follower, root: await findFirstRoot(trusted) }
}
