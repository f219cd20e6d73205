// The block checks that a front door proves hosts with, followed from the folder of snapshots.

import { join } from 'node:path'
import type { Logger } from 'pino'
import { BlockKey } from '#blobs/block-key.ts'
import type { Config } from '#config/config.ts'
import { BlockChecksFollower } from '#snapshots/follow-block-checks.ts'
import { type Follower, startFollower } from '#snapshots/follower.ts'
import { followPace } from './follow-snapshots.ts'
import { blockKeyPath } from './resources.ts'

export type FollowedBlockChecks = { readonly blockChecks: BlockChecksFollower<BlockKey>; readonly follower: Follower }

export function followBlockChecks(config: Config, log: Logger): FollowedBlockChecks {
  const blockChecks = new BlockChecksFollower({
    folder: join(config.data, 'snapshots', config.publicChannel),
    channel: config.publicChannel,
    findKey: () => BlockKey.find(blockKeyPath(config)),
  })
  let told: string | undefined
  const follower = startFollower(() => blockChecks.step(), {
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
