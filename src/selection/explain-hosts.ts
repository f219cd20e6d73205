// The same decision as rank-hosts.ts, told in full: tiers, weights, shares, and why each other host was left out.

import type { IndexedHost } from '#snapshots/index-placement.ts'
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
import { drawOf, seedOf, uniformOf, weightOf } from './race.ts'
import { leadKey } from './rank-hosts.ts'
import { leadOf, type Tier, type TierName, tiersOf } from './tiers.ts'

export type ExplainedHost = {
  readonly id: number
  readonly name: string
  readonly site: string
  readonly url: string
  readonly weight: number
  /** Its part of the clients of this tier, 0 to 1. */
  readonly share: number
  readonly draw: number
}

export type ExplainedTier = {
  readonly tier: TierName
  readonly of: string
  /** The part of the clients that meet this tier first, 0 to 1, when no nearer tier has a host. */
  readonly lead: number
  /** False when the coin sent this client one tier out. */
  readonly isUsed: boolean
  /** In the order in which they would be tried. */
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
    const enabled = tier.hosts.filter(({ host }) => host.excluded === undefined).length
    const suiting = tier.hosts.filter((indexed) => {
      const verdict = verdicts[judgeHost(indexed, question, tier.isOwnNetwork)]!
      judged.set(indexed, verdict)
      return verdict === 'suits'
    })
    const lead = placed.size > 0 ? 1 : leadOf(tier.wanted, suiting.length, enabled)
    const isUsed = lead === 1 || uniformOf(seed, leadKey) < lead
    const fresh = suiting.filter((indexed) => !placed.has(indexed))
    if (fresh.length > 0) tiers.push(explainTier(tier, fresh, { lead, isUsed }, question, seed))
    if (isUsed) for (const indexed of fresh) placed.add(indexed)
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
  use: { readonly lead: number; readonly isUsed: boolean },
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
    }
  })
  return { tier: tier.name, of: tier.of, ...use, hosts: explained.sort((a, b) => a.draw - b.draw) }
}

/** A host that no tier had is private: the world has every other. What else is wrong with it matters more to its admin. */
function leaveOut(indexed: IndexedHost, judged: Verdict | undefined, question: Question): LeftOutHost {
  const { id, name, site } = indexed.host
  const verdict = judged ?? verdicts[judgeHost(indexed, question, true)]!
  const shown = verdict === 'suits' ? 'private' : verdict
  return { id, name, site, verdict: shown, reason: describeVerdict(indexed, shown, question) }
}
