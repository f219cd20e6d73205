// The jobs that write published trees: publications, and upkeep between them. Those of one channel share a key, so that nothing is signed
// or thinned while a generation is being written.

import { enqueue } from '#jobs/queue.ts'
import type { JobHandler } from '#jobs/runner.ts'
import { isResigningDue, keepTree } from '#stages/publish/keep-tree.ts'
import type { PublishStores } from '#stages/publish/publish-stores.ts'
import { renderGeneration } from '#stages/publish/render-generation.ts'
import { thinDefaults } from '#stages/publish/thin-tree.ts'
import type { Trust } from '#trust/open-trust.ts'
import type { Resources } from './resources.ts'

const upkeepMs = 3_600_000
/** After publications in a row: what each of them leaves is taken away together. */
const thinMs = 60_000
const longestLookMs = 60_000

type PublishPayload = {
  readonly channel: string
  readonly actor: string
  readonly reason?: string
  /** Nothing is published then: changes wait for their batch. */
  readonly isUpkeep?: boolean
}

export class PublishJobs {
  readonly #resources: Resources
  readonly #trust: Trust
  readonly #onPublished: () => Promise<void>
  /** By channel. */
  readonly #keptAtMs = new Map<string, number>()

  constructor(resources: Resources, trust: Trust, onPublished: () => Promise<void>) {
    this.#resources = resources
    this.#trust = trust
    this.#onPublished = onPublished
  }

  readonly publish: JobHandler = async (payload, control) => {
    const { channel, actor, reason, isUpkeep } = payload as PublishPayload
    const { log, now } = this.#resources
    const published = isUpkeep ? undefined : await renderGeneration(channel, { actor, reason }, this.#stores, control)
    if (published?.isNew) {
      log.info({ channel, generation: published.generation }, 'published')
      await this.#onPublished()
    }
    const isThinned = now() - (this.#keptAtMs.get(channel) ?? 0) < thinMs
    if (!published?.isNew || !isThinned) await this.#keep(channel)
    return published && { channel, generation: published.generation, isNew: published.isNew }
  }

  /** How often to look whether something is due. */
  get lookMs(): number {
    return Math.min(longestLookMs, Math.ceil(this.#resources.config.settings.timestampLifetime / 16))
  }

  async look(): Promise<void> {
    const { catalogue, now, config } = this.#resources
    const nowMs = now()
    for (const channel of config.settings.publicChannels) {
      if (!(await this.#isUpkeepDue(channel, nowMs))) continue
      const payload: PublishPayload = { channel, actor: 'upkeep', isUpkeep: true }
      const job = { kind: 'publish', payload, dedupeKey: `upkeep of ${channel}`, exclusiveKey: channel, runAtMs: nowMs }
      await catalogue.transaction().execute((tx) => enqueue(tx, job, nowMs))
    }
  }

  async #isUpkeepDue(channel: string, nowMs: number): Promise<boolean> {
    if (nowMs - (this.#keptAtMs.get(channel) ?? 0) >= upkeepMs) return true
    const { treeOf, config } = this.#resources
    const { roots } = this.#trust
    await roots.reload()
    const newestRoot = roots.newest?.signed.version ?? 1
    return await isResigningDue(treeOf(channel), { timestampMs: config.settings.timestampLifetime, newestRoot, nowMs })
  }

  async #keep(channel: string): Promise<void> {
    const { log, now, config } = this.#resources
    const { isSigned, removed } = await keepTree(channel, this.#stores, {
      ...thinDefaults,
      graceMs: config.settings.listGrace,
    })
    this.#keptAtMs.set(channel, now())
    if (isSigned) log.info({ channel }, 'signed the tree anew')
    if (removed.length > 0) log.info({ channel, files: removed.length }, 'took old lists, packs and metadata away')
  }

  get #stores(): PublishStores {
    const { catalogue, blobs, config, now, treeOf } = this.#resources
    const { smallBlobBytes, popularityInterval } = config.settings
    return { catalogue, blobs, trust: this.#trust.tree, treeOf, smallBlobBytes, popularityMs: popularityInterval, now }
  }
}
