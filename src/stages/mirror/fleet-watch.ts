// Keeps the two snapshots of a channel's hosts true: a round of liveness every few seconds, a probe at once on evidence, a whole
// read for hosts that are draining. It owns no timer: its role calls `round`.

import { eachBounded } from '#kit/each-bounded.ts'
import type { HealthDocument } from '#snapshots/health.ts'
import type { PlacementDocument } from '#snapshots/placement.ts'
import { buildHealth } from './build-health.ts'
import { buildPlacement, type PlacementFacts } from './build-placement.ts'
import {
  type HostLiveness,
  type LivenessOptions,
  type LivenessTarget,
  type LivenessTools,
  LivenessWatch,
} from './check-liveness.ts'
import { chooseTargets } from './choose-targets.ts'
import type { CrawlRecord, HostRecords, Presence, TreeRecords } from './host-records.ts'
import { type ClientReadOptions, ClientReads } from './read-as-client.ts'
import { readWhole } from './read-whole.ts'
import type { StrikeOptions } from './strike-options.ts'
import { type Circuit, StrikeBook } from './strikes.ts'

export type FleetRecords = Pick<HostRecords, 'listHosts'> & {
  /** By host id. */
  listPresence(channel: string): Promise<ReadonlyMap<number, Presence>>
  /** The last one of each host, by host id. */
  listLastCrawls(channel: string): Promise<ReadonlyMap<number, CrawlRecord>>
}

export type FleetWatchTools = LivenessTools & {
  readonly records: FleetRecords
  readonly tree: Pick<TreeRecords, 'findBlob' | 'pickBlob'>
}

export type FleetWatchOptions = {
  readonly channel: string
  readonly liveness: LivenessOptions
  readonly strikes: StrikeOptions
  readonly clientReads: ClientReadOptions
  /** Hostnames of our own; hosts that lie under them are left out. */
  readonly ownNames?: readonly string[]
  /** Clients come over https: of a host's addresses the https ones are theirs. */
  readonly isBehindTls?: boolean
  /** See build-health.ts, which has the default. */
  readonly shakyMs?: number
  /** Whole reads of draining hosts run beside the rounds: none above this size, so many at once, no longer than this. */
  readonly wholeReads: {
    readonly maxBytes: number
    readonly concurrency: number
    readonly idleMs: number
    readonly totalMs: number
  }
}

export type FleetSnapshots = { readonly placement: PlacementDocument; readonly health: HealthDocument }

export type PreviousSnapshots = {
  readonly placement?: PlacementDocument | undefined
  readonly health?: HealthDocument | undefined
}

export class FleetWatch {
  readonly #tools: FleetWatchTools
  readonly #options: FleetWatchOptions
  readonly #watch: LivenessWatch
  readonly #strikes: StrikeBook
  readonly #clientReads: ClientReads
  #targets = new Map<number, LivenessTarget>()
  /** Undefined until the first look: what was known before a restart then still counts. */
  #liveness: readonly HostLiveness[] | undefined
  /** Looked at on their own since the last round began. */
  readonly #admitted = new Map<number, HostLiveness>()
  #placement: PlacementDocument | undefined
  #health: HealthDocument | undefined
  #reading: Promise<void> | undefined
  #building: Promise<unknown> = Promise.resolve()

  /** `previous`: the last documents that anybody has seen, so that versions only rise. */
  constructor(tools: FleetWatchTools, options: FleetWatchOptions, previous: PreviousSnapshots = {}) {
    this.#tools = tools
    this.#options = options
    this.#watch = new LivenessWatch(tools, options.liveness)
    this.#strikes = new StrikeBook(options.strikes)
    this.#clientReads = new ClientReads(tools, options.clientReads)
    this.#placement = previous.placement
    this.#health = previous.health
    for (const { id, circuit, reason } of previous.health?.hosts ?? [])
      this.#strikes.restore(id, circuit, reason, tools.now())
  }

  /** Looks at every host once and makes both snapshots anew. Rounds must not overlap; everything else may, with them too. */
  async round(): Promise<FleetSnapshots> {
    this.#targets = await this.#chooseTargets(await this.#readFacts())
    const hostIds = new Set(this.#targets.keys())
    this.#strikes.keepOnly(hostIds)
    this.#clientReads.keepOnly(hostIds)
    const startedAtMs = this.#tools.now()
    this.#admitted.clear()
    const looked = await this.#watch.check([...this.#targets.values()])
    // Who was admitted meanwhile may have other addresses than the round began with.
    const liveness = [...looked.filter(({ hostId }) => !this.#admitted.has(hostId)), ...this.#admitted.values()]
    this.#liveness = liveness
    for (const host of liveness) {
      // Failures of a round are liveness's own matter, with its patience; successes help an open circuit to close.
      const hasPassed = host.urls.some(({ successes, checkedAtMs }) => successes > 0 && checkedAtMs >= startedAtMs)
      if (hasPassed) this.#strikes.probed(host.hostId, undefined, this.#tools.now())
    }
    this.#reading ??= this.#readDraining()
      .catch(this.#tools.log)
      .finally(() => {
        this.#reading = undefined
      })
    return this.rebuild()
  }

  /** Looks at one host whose proofs are new, without waiting for a round. */
  async admit(hostId: number): Promise<FleetSnapshots> {
    const target = await this.#retarget(hostId)
    if (target) {
      const { host } = await this.#watch.probe(target)
      this.#admitted.set(hostId, host)
      const known = this.#liveness ?? (this.#health ? undefined : [])
      this.#liveness = known && [...known.filter((other) => other.hostId !== hostId), host]
    }
    return this.rebuild()
  }

  /** Makes both snapshots of what is known, without a look at any host. One after the other: an older state never follows a newer. */
  rebuild(): Promise<FleetSnapshots> {
    const built = this.#building.then(async () => {
      const facts = await this.#readFacts()
      return { placement: this.#buildPlacement(facts), health: this.#buildHealth() }
    })
    this.#building = built.catch(() => undefined)
    return built
  }

  describe(hostId: number): {
    readonly liveness: HostLiveness | undefined
    readonly circuit: Circuit
    readonly reason: string | undefined
  } {
    const liveness = this.#liveness?.find((host) => host.hostId === hostId)
    return { liveness, circuit: this.#strikes.circuitOf(hostId), reason: this.#strikes.reasonOf(hostId) }
  }

  /** A client was failed there. Resolves to the health snapshot when a probe was made or it drains now, else to undefined. */
  async strike(hostId: number, prefixKey: number): Promise<HealthDocument | undefined> {
    if (!this.#targets.has(hostId)) return undefined
    const circuit = this.#strikes.circuitOf(hostId)
    const isProbed = this.#strikes.strike(hostId, prefixKey, this.#tools.now())
    if (isProbed) return await this.#probe(hostId)
    return this.#strikes.circuitOf(hostId) === circuit ? undefined : this.tellHealth()
  }

  /** Somebody came back for this blob. Resolves to the health snapshot when the host turns out to be two-faced, else to undefined. */
  async readAsClient(
    hostId: number,
    digest: string,
    about: { readonly isStrike: boolean },
  ): Promise<HealthDocument | undefined> {
    const target = this.#targets.get(hostId)
    const urls = this.#aliveUrls(hostId)
    if (!target || urls.length === 0 || this.#strikes.circuitOf(hostId) !== 'closed') return undefined
    const blob = await this.#tools.tree.findBlob(this.#options.channel, digest)
    const read =
      blob && (await this.#clientReads.read({ hostId, urls, hasTicket: target.hasTicket ?? false }, blob, about))
    if (read === undefined || read === 'passed') return undefined
    this.#strikes.expose(hostId, read.failure, this.#tools.now())
    return this.#buildHealth()
  }

  /** A front door's own probe failed there, for a reason that touches every blob. */
  async suspect(hostId: number): Promise<HealthDocument | undefined> {
    const isProbed = this.#targets.has(hostId) && this.#strikes.suspect(hostId, this.#tools.now())
    return isProbed ? await this.#probe(hostId) : undefined
  }

  /** It was seen from here to do what would break clients. */
  fail(hostId: number, failure: string): void {
    if (this.#targets.has(hostId)) this.#strikes.probed(hostId, failure, this.#tools.now())
  }

  /** Where clients are sent; undefined: nowhere. */
  targetOf(hostId: number): { readonly hostId: number; readonly url: string; readonly hasTicket: boolean } | undefined {
    const target = this.#targets.get(hostId)
    const [url] = target?.urls ?? []
    return target && url !== undefined ? { hostId, url, hasTicket: target.hasTicket ?? false } : undefined
  }

  /** The snapshot of what is known at this moment. */
  tellHealth(): HealthDocument {
    return this.#buildHealth()
  }

  async #probe(hostId: number): Promise<HealthDocument> {
    const target = this.#targets.get(hostId)!
    let told = await this.#watch.probe(target)
    if (told.failure !== undefined && told.isOfBlob) {
      // One blob that is gone is no reason to close the host: it is asked for another.
      const another = await this.#retarget(hostId)
      if (another?.blob && another.blob.digest !== target.blob?.digest) told = await this.#watch.probe(another)
    }
    this.#liveness = this.#liveness?.map((host) => (host.hostId === hostId ? told.host : host))
    this.#strikes.probed(hostId, told.failure, this.#tools.now())
    return this.#buildHealth()
  }

  /** With another blob to ask for, and the addresses of this moment. */
  async #retarget(hostId: number): Promise<LivenessTarget | undefined> {
    const { hosts, presence } = await this.#readFacts()
    const chosen = await this.#chooseTargets({ hosts: hosts.filter(({ id }) => id === hostId), presence })
    const target = chosen.get(hostId)
    if (target) this.#targets.set(hostId, target)
    return target
  }

  /** When no whole read runs any more; what it found is told by the next round. */
  async whenIdle(): Promise<void> {
    await this.#reading
  }

  #buildPlacement(facts: Omit<PlacementFacts, 'liveness'>): PlacementDocument {
    const liveness = new Map(this.#liveness?.map((host) => [host.hostId, host]))
    const { channel, ownNames = [] } = this.#options
    this.#placement = buildPlacement(channel, { ...facts, liveness, ownNames }, this.#placement, this.#tools.now())
    return this.#placement
  }

  #buildHealth(): HealthDocument {
    if (!this.#liveness && this.#health) return this.#health
    const facts = { liveness: this.#liveness ?? [], strikes: this.#strikes, shakyMs: this.#options.shakyMs }
    this.#health = buildHealth(facts, this.#health, this.#tools.now())
    return this.#health
  }

  async #readFacts(): Promise<Omit<PlacementFacts, 'liveness'>> {
    const { records } = this.#tools
    const { channel } = this.#options
    const [hosts, presence, lastCrawls] = await Promise.all([
      records.listHosts(),
      records.listPresence(channel),
      records.listLastCrawls(channel),
    ])
    return { hosts, presence, lastCrawls }
  }

  #chooseTargets(facts: Pick<PlacementFacts, 'hosts' | 'presence'>): Promise<Map<number, LivenessTarget>> {
    const { channel, isBehindTls = false } = this.#options
    return chooseTargets(facts, { channel, isBehindTls }, this.#tools)
  }

  #aliveUrls(hostId: number): readonly string[] {
    const told = this.#liveness?.find((host) => host.hostId === hostId)
    return told?.urls.filter(({ isAlive }) => isAlive).map(({ url }) => url) ?? []
  }

  async #readDraining(): Promise<void> {
    const { maxBytes, concurrency, ...limits } = this.#options.wholeReads
    await eachBounded(this.#strikes.listToRead(this.#tools.now()), concurrency, async (hostId) => {
      const target = this.#targets.get(hostId)
      if (!target?.blob || target.blob.sizeBytes > maxBytes) return undefined
      const alive = this.#aliveUrls(hostId)
      if (alive.length === 0) return undefined
      for (const url of alive) {
        const asked = { ...limits, hasTicket: target.hasTicket ?? false }
        const { sample } = await readWhole(this.#tools.client, url, target.blob, asked)
        if (sample.verdict === 'good') continue
        this.#strikes.wholeRead(hostId, `${url}: ${sample.fault?.came}`, this.#tools.now())
        return undefined
      }
      this.#strikes.wholeRead(hostId, undefined, this.#tools.now())
      return undefined
    })
  }
}
