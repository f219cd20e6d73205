// The block checks that a front door proves hosts with, followed from the folder of snapshots.

import { join } from 'node:path'
import type { Logger } from 'pino'
import { BlockKey } from '#blobs/block-key.ts'
import type { Config } from '#config/config.ts'
import { BlockChecksFollower } from '#snapshots/follow-block-checks.ts'
import { type Follower, startFollower } from '#snapshots/follower.ts'
import { blockCheckCopier, type CopiedChecks } from './copy-block-checks.ts'
import { followPace } from './follow-snapshots.ts'
import { blockKeyPath } from './resources.ts'

export type FollowedBlockChecks = { readonly blockChecks: BlockChecksFollower<BlockKey>; readonly follower: Follower }

/** `elsewhere`: they are copied from there into a folder of this front door first, because the mirror role is on another machine. */
export function followBlockChecks(
  config: Config,
  log: Logger,
  elsewhere?: Pick<CopiedChecks, 'source' | 'folder'>,
): FollowedBlockChecks {
  const channel = config.publicChannel
  const folder = elsewhere?.folder ?? join(config.data, 'snapshots', channel)
  const copy = elsewhere && blockCheckCopier({ ...elsewhere, channel })
  const blockChecks = new BlockChecksFollower({
    folder,
    channel,
    findKey: () => BlockKey.find(blockKeyPath(config)),
  })
  const step = async () => {
    await copy?.()
    await blockChecks.step()
  }
  let told: string | undefined
  const follower = startFollower(step, {
    ...followPace,
    random: Math.random,
    log: (error) => {
      // A key that is not here may be missing for long: each cause is told once.
      const { message } = error as Error
      if (message !== told) log.warn({ err: error }, 'block checks were not taken; those of before stay')
      told = message
    },
  })
  // Nobody waits for it: files of a million blobs are verified first, and without them hosts are proven as well as it goes.
  void follower.runNow()
  return { blockChecks, follower }
}
