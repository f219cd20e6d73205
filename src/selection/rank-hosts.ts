// Which hosts a client may be sent to for a blob, best first: tier by tier, drawn by weight inside each. Pure, and the hot path of
// the front door: it makes no text and no closure, and keeps only `limit` candidates of however many hosts there are.

import type { Candidate } from '#snapshots/index-placement.ts'
import type { Draw, Fleet, SelectionClient, WantedBlob } from './client.ts'
import { candidateOf, judgeHost, type Question, questionOf } from './judge-host.ts'
import { drawOf, leastDrawOf, seedOf, uniformOf } from './race.ts'
import { leadOf, type Tier, tiersOf } from './tiers.ts'

/** The key of the coin that decides whether a short tier leads; no host has it. */
export const leadKey = -1

/** Candidates, best first; empty when only the origin is left. */
export function rankHosts(fleet: Fleet, client: SelectionClient, blob: WantedBlob, draw: Draw): readonly Candidate[] {
  const question = questionOf(fleet, client, blob, draw)
  const seed = seedOf(client.prefixKey, blob.digest, draw.epoch)
  const ranked: Candidate[] = []
  const draws: number[] = []
  for (const tier of tiersOf(fleet.placement, client)) {
    addTier(tier, question, seed, ranked, draws)
    if (ranked.length >= draw.limit) break
  }
  return ranked
}

/** Appends the hosts of one tier behind those already there, in the order of what they draw, up to the limit. Drawing is cheaper
 *  than judging, so a host that would not make it is not judged, unless the tier still counts whether it has enough. */
function addTier(tier: Tier, question: Question, seed: number, ranked: Candidate[], draws: number[]): void {
  const first = ranked.length
  const { limit } = question.draw
  const counted = first === 0 ? tier.wanted : 0
  let suiting = 0
  let enabled = 0
  for (const indexed of tier.hosts) {
    if (indexed.host.excluded !== undefined) continue
    enabled++
    const isCounted = suiting < counted
    if (!isCounted && ranked.length === limit && leastDrawOf(seed, indexed.host) >= draws[limit - 1]!) continue
    const drawn = drawOf(seed, indexed.host)
    const isBetter = ranked.length < limit || drawn < draws[limit - 1]!
    if (!isBetter && !isCounted) continue
    if (judgeHost(indexed, question, tier.isOwnNetwork) !== 0) continue
    suiting++
    if (!isBetter || (first > 0 && isRanked(ranked, first, indexed.host.id))) continue
    let at = ranked.length < limit ? ranked.length : limit - 1
    for (; at > first && draws[at - 1]! > drawn; at--) {
      ranked[at] = ranked[at - 1]!
      draws[at] = draws[at - 1]!
    }
    ranked[at] = candidateOf(indexed, question.client, question.draw)!
    draws[at] = drawn
  }
  if (first > 0) return
  const lead = leadOf(tier.wanted, suiting, enabled)
  if (lead < 1 && uniformOf(seed, leadKey) >= lead) ranked.length = draws.length = 0
}

function isRanked(ranked: readonly Candidate[], count: number, id: number): boolean {
  for (let i = 0; i < count; i++) if (ranked[i]!.host.id === id) return true
  return false
}
