// Which hosts a client may be sent to for a blob, best first: tier by tier, drawn by weight inside each. Pure, and the hot path of
// the front door: it makes no text and no closure, and keeps only `limit` candidates of however many hosts there are.

import type { Candidate } from '#snapshots/index-placement.ts'
import type { Draw, Fleet, SelectionClient, WantedBlob } from './client.ts'
import { holds, type Question, questionOf, servesCountry } from './judge-host.ts'
import { seedOf, uniformOf } from './race.ts'
import { shortlistOf } from './shortlist.ts'
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
 *  has no room. Drawing is cheaper than judging, and the least that a host may draw cheaper than what it draws. */
function addTier(
  tier: Tier,
  question: Question,
  seed: number,
  ranked: Candidate[],
  draws: number[],
  headroom: Draw['headroom'],
): boolean {
  const first = ranked.length
  const { client, draw } = question
  const { limit } = draw
  const { candidates, hosts, ids, keys, parts, generations } = shortlistOf(tier.hosts, question.fleet, client, draw)
  const fullFromMs = headroom === undefined ? 0 : headroom.fullFromMs(tier.isHome, draw.nowMs)
  let isFull = false
  for (let i = 0; i < ids.length; i++) {
    const id = ids[i]!
    const part = parts[i]!
    const uniform = uniformOf(seed, keys[i]!)
    const highest = ranked.length === limit ? draws[limit - 1]! : Number.POSITIVE_INFINITY
    if ((1 - uniform) * part >= highest) continue
    const drawn = -Math.log(uniform) * part
    if (drawn >= highest || !holds(id, generations[i]!, question)) continue
    if (!tier.isOwnNetwork && !servesCountry(hosts[i]!, client)) continue
    if (headroom !== undefined && headroom.doneAtMs(id) > fullFromMs) {
      isFull = true
      continue
    }
    if (first > 0 && isRanked(ranked, first, id)) continue
    let at = ranked.length < limit ? ranked.length : limit - 1
    for (; at > first && draws[at - 1]! > drawn; at--) {
      ranked[at] = ranked[at - 1]!
      draws[at] = draws[at - 1]!
    }
    ranked[at] = candidates[i]!
    draws[at] = drawn
  }
  return isFull
}

function isRanked(ranked: readonly Candidate[], count: number, id: number): boolean {
  for (let i = 0; i < count; i++) if (ranked[i]!.host.id === id) return true
  return false
}
