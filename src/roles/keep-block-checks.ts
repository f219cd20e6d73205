// Keeps the block checks of the channel that front doors serve where they read them: beside placement and health.
//
//   <data>/snapshots/<channel>/block-checks.json, block-checks/…       see #snapshots/check-files.ts

import { join } from 'node:path'
import { CheckFolder } from '#upkeep/check-folder.ts'
import { BlockCheckKeeper, keepChecksDefaults } from '#upkeep/keep-block-checks.ts'
import type { Resources } from './resources.ts'
import { every } from './worker.ts'

const lookMs = 2_000
/** Blobs without checks are read in portions, one in this time. */
const fillEveryMs = 60_000

export type KeptBlockChecks = { stop(): Promise<void> }

export function keepBlockChecks(resources: Resources): KeptBlockChecks {
  const { catalogue, blobs, blockKey, config, log, now } = resources
  const channel = config.publicChannel
  const about = { channel, keyId: blockKey.id }
  const onRefused = (error: Error) => log.error({ err: error }, 'block checks are written anew')
  const keeper = new BlockCheckKeeper(
    channel,
    {
      catalogue,
      blobs,
      key: blockKey,
      folder: new CheckFolder(join(config.data, 'snapshots', channel), about, { now, onRefused }),
      now,
      log: (message, told) => log.error(told, message),
    },
    { ...keepChecksDefaults, fillBytes: config.settings.blockCheckFill },
  )
  const ending = new AbortController()
  let nextAtMs = 0
  let running = Promise.resolve()
  const timer = every(lookMs, log, async () => {
    if (now() < nextAtMs) return
    const run = keeper.run(ending.signal)
    running = run.then(
      () => undefined,
      () => undefined,
    )
    nextAtMs = now() + ((await run) ? fillEveryMs : 0)
  })
  return {
    async stop() {
      clearInterval(timer)
      ending.abort(new Error('stopping'))
      await running
    },
  }
}
