// The worker's part in keys: takes up new roots, renews one that it can, begins a new epoch with a generation, warns in time.

import type { Logger } from 'pino'
import { findLatestGeneration } from '#catalogue/generations.ts'
import { enqueue } from '#jobs/queue.ts'
import type { Trust } from '#trust/open-trust.ts'
import type { Resources } from './resources.ts'

const dayMs = 86_400_000
const warnMs = 60 * dayMs
const warnEveryMs = dayMs

export class TrustKeeper {
  readonly #trust: Trust
  readonly #resources: Resources
  #warnedAtMs = 0

  constructor(trust: Trust, resources: Resources) {
    this.#trust = trust
    this.#resources = resources
  }

  /** Each minute. */
  async look(): Promise<void> {
    const { log, now, config } = this.#resources
    const version = await this.#trust.upkeep()
    if (version !== undefined) log.info({ version }, 'renewed the root of trust with the key on this machine')
    this.#warn(log, now())
    for (const channel of config.settings.publicChannels) await this.#beginEpoch(channel)
  }

  /** Readers of another epoch wait for a generation above its floor; there may be nothing else to publish. */
  async #beginEpoch(channel: string): Promise<void> {
    const { catalogue, now } = this.#resources
    const floor = await this.#trust.tree.generationFloor(channel)
    if (floor === 0) return
    const latest = await findLatestGeneration(catalogue, channel, 'published')
    if (latest && latest.number > floor) return
    const runAtMs = now()
    const payload = { channel, actor: 'new epoch' }
    await catalogue
      .transaction()
      .execute((tx) => enqueue(tx, { kind: 'publish', payload, dedupeKey: channel, runAtMs }, runAtMs))
  }

  #warn(log: Logger, nowMs: number): void {
    const expires = this.#trust.roots.newest?.signed.expires
    if (expires === undefined || Date.parse(expires) - nowMs > warnMs || nowMs - this.#warnedAtMs < warnEveryMs) return
    this.#warnedAtMs = nowMs
    const advice = 'after that nobody takes anything new: `flotilla keys renew`, and have it signed (docs/keys.md)'
    log.warn({ expires }, `the root of trust expires soon; ${advice}`)
  }
}
