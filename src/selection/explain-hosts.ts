// The same decision as rank-hosts.ts, told in full: tiers, weights, shares, and why each other host was left out.

import type { IndexedHost } from '#snapshots/index-placement.ts'
import { kmBetween } from '#snapshots/nearness.ts'
import type { Draw, Fleet, SelectionClient, WantedBlob } from './client.ts'
import {
  candidateOf,
  describeVerdict,
  judgeHost,
  type Question,
  questionOf,
  type Verdict,
  verdicts,
} from './judge-host.ts'
import { drawOf, seedOf, weightOf } from './race.ts'
import { type Tier, type TierName, tiersOf } from './tiers.ts'

export type ExplainedHost = {
  readonly id: number
  readonly name: string
  readonly site: string
  readonly url: string
  readonly weight: number
  /** Its part of the clients of this tier while all have room, 0 to 1. */
  readonly share: number
  readonly draw: number
  /** From the middle of the client's country; undefined when one of the two places is not known. */
  readonly distanceKm: number | undefined
  /** For how long it is busy with what this front door gave it. */
  readonly busyMs: number
  /** False: it is busy for too long, and comes behind the hosts of all tiers that are not. */
  readonly hasRoom: boolean
}

export type ExplainedTier = {
  readonly tier: TierName
  readonly of: string
  /** In the order in which they would be tried: those that have room first. */
  readonly hosts: readonly ExplainedHost[]
}

export type LeftOutHost = {
  readonly id: number
  readonly name: string
  readonly site: string
  readonly verdict: Verdict
  readonly reason: string
}

export type Explanation = {
  readonly placementVersion: number
  readonly healthVersion: number
  /** Give the same epoch again to see the same decision. */
  readonly epoch: number
  readonly seed: number
  readonly tiers: readonly ExplainedTier[]
  readonly leftOut: readonly LeftOutHost[]
}

export function explainHosts(fleet: Fleet, client: SelectionClient, blob: WantedBlob, draw: Draw): Explanation {
  const question = questionOf(fleet, client, blob, draw)
  const seed = seedOf(client.prefixKey, blob.digest, draw.epoch)
  const placed = new Set<IndexedHost>()
  const judged = new Map<IndexedHost, Verdict>()
  const tiers: ExplainedTier[] = []
  for (const tier of tiersOf(fleet.placement, client)) {
    const suiting = tier.hosts.filter((indexed) => {
      const verdict = verdicts[judgeHost(indexed, question, tier.isOwnNetwork)]!
      judged.set(indexed, verdict)
      return verdict === 'suits'
    })
    const fresh = suiting.filter((indexed) => !placed.has(indexed))
    if (fresh.length > 0) tiers.push(explainTier(tier, fresh, question, seed))
    for (const indexed of fresh) placed.add(indexed)
  }
  const leftOut = fleet.placement.hosts
    .filter((indexed) => !placed.has(indexed))
    .map((indexed) => leaveOut(indexed, judged.get(indexed), question))
  const { placement, health } = fleet
  return { placementVersion: placement.version, healthVersion: health.version, epoch: draw.epoch, seed, tiers, leftOut }
}

function explainTier(
  tier: Tier,
  hosts: readonly IndexedHost[],
  { client, draw }: Question,
  seed: number,
): ExplainedTier {
  const total = hosts.reduce((sum, { host }) => sum + weightOf(host), 0)
  const explained = hosts.map((indexed) => {
    const { host } = indexed
    const { url } = candidateOf(indexed, client, draw)!
    const weight = weightOf(host)
    return {
      id: host.id,
      name: host.name,
      site: host.site,
      url,
      weight,
      share: weight / total,
      draw: drawOf(seed, host),
      distanceKm: roundKm(kmBetween(client.country, host)),
      busyMs: Math.round(draw.headroom?.busyMs(host.id) ?? 0),
      hasRoom: draw.headroom?.hasRoom(host.id, tier.isHome) ?? true,
    }
  })
  explained.sort((a, b) => Number(b.hasRoom) - Number(a.hasRoom) || a.draw - b.draw)
  return { tier: tier.name, of: tier.of, hosts: explained }
}

/** The places are guesses by country: more digits would say what nobody knows. */
function roundKm(km: number | undefined): number | undefined {
  return km === undefined ? undefined : Math.round(km)
}

/** A host that no tier had is private: the world has every other. What else is wrong with it matters more to its admin. */
function leaveOut(indexed: IndexedHost, judged: Verdict | undefined, question: Question): LeftOutHost {
  const { id, name, site } = indexed.host
  const verdict = judged ?? verdicts[judgeHost(indexed, question, true)]!
  const shown = verdict === 'suits' ? 'private' : verdict
  return { id, name, site, verdict: shown, reason: describeVerdict(indexed, shown, question) }
}
