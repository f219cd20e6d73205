// The hosts that a replica may copy a blob from: those that suit a user, nearest first, each only as fast as it can send. A host that
// is the first to have something must not be stormed by all others.

import type { Fleet, WantedBlob } from '#selection/client.ts'
import { rankHosts } from '#selection/rank-hosts.ts'
import type { Candidate, PlacementIndex } from '#snapshots/index-placement.ts'
import type { PlacedHost } from '#snapshots/placement.ts'
import { maxAvoided, type Replica } from './asker.ts'

export type HolderOptions = {
  /** The origin may be registered as a host of its own: it sends nobody to itself. */
  readonly originUrl: string | undefined
  /** Whether a replica that came over https may be sent to a host that speaks only http. */
  readonly allowHttpHosts: boolean
  /** Replicas sent to one host in a second, at most. */
  readonly redirectsPerHost: number
  /** The part of a host's declared bandwidth that replicas may fill; the rest is for users. */
  readonly bandwidthShare: number
  /** What was sent to a host may keep it busy for so long; more has to wait. */
  readonly bookAheadMs: number
  /** Liveness older than this says nothing. A replica comes back from a host that fails, so it may be older than for a user. */
  readonly maxHealthAgeMs: number
  readonly epochMs: number
  readonly maxCandidates: number
}

export type HolderAsk = {
  readonly replica: Replica
  readonly blob: WantedBlob
  /** What will be asked of the host. */
  readonly bytes: number
}

/** undefined: nobody has it. */
export type HolderChoice = { readonly host: Candidate } | { readonly freeInMs: number } | undefined

export class Holders {
  readonly #options: HolderOptions
  /** When each host will have sent what it was given, by its id. */
  readonly #busyUntilMs = new Map<number, number>()
  #named: { readonly placement: PlacementIndex; readonly byName: ReadonlyMap<string, PlacedHost> } | undefined

  constructor(options: HolderOptions) {
    this.#options = options
  }

  choose(fleet: Fleet, { replica, blob, bytes }: HolderAsk, nowMs: number): HolderChoice {
    const { epochMs, allowHttpHosts, maxCandidates, maxHealthAgeMs, bookAheadMs } = this.#options
    if (nowMs - fleet.health.builtAtMs > maxHealthAgeMs || this.#hasNoLuck(fleet, replica)) return undefined
    const draw = { epoch: Math.floor(nowMs / epochMs), allowHttpHosts, limit: maxCandidates }
    let freeInMs = Number.POSITIVE_INFINITY
    for (const candidate of rankHosts(fleet, replica.client, blob, draw)) {
      if (!this.#mayServe(candidate, replica)) continue
      const { host } = candidate
      const startMs = Math.max(nowMs, this.#busyUntilMs.get(host.id) ?? 0)
      if (startMs - nowMs > bookAheadMs) {
        freeInMs = Math.min(freeInMs, startMs - nowMs - bookAheadMs)
        continue
      }
      this.#busyUntilMs.set(host.id, startMs + this.#busyMs(host, bytes))
      return { host: candidate }
    }
    return freeInMs === Number.POSITIVE_INFINITY ? undefined : { freeInMs }
  }

  /** A host that others will be able to copy from. */
  findPublicHost({ placement }: Fleet, name: string | undefined): PlacedHost | undefined {
    if (name === undefined) return undefined
    if (this.#named?.placement !== placement) {
      const byName = new Map(placement.world.map(({ host }) => [host.name, host]))
      this.#named = { placement, byName }
      for (const id of this.#busyUntilMs.keys()) if (!placement.byId.has(id)) this.#busyUntilMs.delete(id)
    }
    return this.#named.byName.get(name)
  }

  /** It named as many hosts as it can: it would meet the others one after the other, and come to no end where it can reach none. */
  #hasNoLuck(fleet: Fleet, { avoid }: Replica): boolean {
    const known = new Set(avoid).size >= maxAvoided ? avoid.filter((name) => this.findPublicHost(fleet, name)) : []
    return new Set(known).size >= maxAvoided
  }

  /** Never the one that asks, nor one that failed it, nor we. */
  #mayServe({ host, url }: Candidate, { hostName, address, avoid }: Replica): boolean {
    if (host.name === hostName || avoid.includes(host.name) || url === this.#options.originUrl) return false
    // One address may be that of many hosts, so it tells only of a replica that does not name itself.
    if (hostName !== undefined) return true
    const { hostname } = new URL(url)
    return hostname !== address && hostname !== `[${address}]`
  }

  #busyMs({ bandwidthMbps }: PlacedHost, bytes: number): number {
    const { bandwidthShare, redirectsPerHost } = this.#options
    const bytesPerMs = (Math.max(1, bandwidthMbps) * bandwidthShare * 1e6) / 8 / 1000
    return Math.max(bytes / bytesPerMs, 1000 / redirectsPerHost)
  }
}
