// Which hosts a client may be sent to for a blob, best first: tier by tier, drawn by weight inside each. Pure, and the hot path of
// the front door: it makes no text and no closure, and keeps only `limit` candidates of however many hosts there are.

import type { Candidate } from '#snapshots/index-placement.ts'
import type { Draw, Fleet, SelectionClient, WantedBlob } from './client.ts'
import { candidateOf, judgeHost, type Question, questionOf } from './judge-host.ts'
import { drawOf, leastDrawOf, seedOf } from './race.ts'
import { type Tier, tiersOf } from './tiers.ts'

/** Candidates, best first; empty when only the origin is left. Hosts without room come behind all others, nearest first: they are
 *  slow, but they have the blob. */
export function rankHosts(fleet: Fleet, client: SelectionClient, blob: WantedBlob, draw: Draw): readonly Candidate[] {
  const question = questionOf(fleet, client, blob, draw)
  const seed = seedOf(client.prefixKey, blob.digest, draw.epoch)
  const ranked: Candidate[] = []
  const draws: number[] = []
  const tiers = tiersOf(fleet.placement, client)
  let isFull = false
  for (const tier of tiers) {
    if (addTier(tier, question, seed, ranked, draws, draw.headroom)) isFull = true
    if (ranked.length >= draw.limit) return ranked
  }
  if (!isFull) return ranked
  for (const tier of tiers) {
    addTier(tier, question, seed, ranked, draws, undefined)
    if (ranked.length >= draw.limit) break
  }
  return ranked
}

/** Appends the hosts of one tier behind those already there, in the order of what they draw, up to the limit; true when one that suits
 *  has no room. Drawing is cheaper than judging, so a host that would not make it is not judged. */
function addTier(
  tier: Tier,
  question: Question,
  seed: number,
  ranked: Candidate[],
  draws: number[],
  headroom: Draw['headroom'],
): boolean {
  const first = ranked.length
  const { limit } = question.draw
  const fullFromMs = headroom === undefined ? 0 : headroom.fullFromMs(tier.isHome)
  let isFull = false
  for (const indexed of tier.hosts) {
    if (indexed.host.excluded !== undefined) continue
    if (ranked.length === limit && leastDrawOf(seed, indexed.host) >= draws[limit - 1]!) continue
    const drawn = drawOf(seed, indexed.host)
    if (ranked.length === limit && drawn >= draws[limit - 1]!) continue
    if (judgeHost(indexed, question, tier.isOwnNetwork) !== 0) continue
    if (headroom !== undefined && headroom.doneAtMs(indexed.host.id) > fullFromMs) {
      isFull = true
      continue
    }
    if (first > 0 && isRanked(ranked, first, indexed.host.id)) continue
    let at = ranked.length < limit ? ranked.length : limit - 1
    for (; at > first && draws[at - 1]! > drawn; at--) {
      ranked[at] = ranked[at - 1]!
      draws[at] = draws[at - 1]!
    }
    ranked[at] = candidateOf(indexed, question.client, question.draw)!
    draws[at] = drawn
  }
  return isFull
}

function isRanked(ranked: readonly Candidate[], count: number, id: number): boolean {
  for (let i = 0; i < count; i++) if (ranked[i]!.host.id === id) return true
  return false
}
