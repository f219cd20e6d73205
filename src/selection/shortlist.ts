// The hosts of a tier that are fit for clients of one kind, whatever the blob: judged once for each state of health, and then all that a
// draw looks at lies side by side. Most requests differ from the one before in address and blob alone.

import type { Candidate, HealthIndex, IndexedHost } from '#snapshots/index-placement.ts'
import type { Draw, Fleet, SelectionClient } from './client.ts'
import { candidateOf, judgeStanding } from './judge-host.ts'
import { keyOf, weightOf } from './race.ts'

/** Member i of every list is the same host. */
export type Shortlist = {
  readonly candidates: readonly Candidate[]
  readonly hosts: readonly IndexedHost[]
  readonly ids: Int32Array
  readonly keys: Int32Array
  /** 1 / weight: to multiply is cheaper. */
  readonly parts: Float64Array
  readonly generations: Float64Array
}

type Kept = Map<readonly IndexedHost[], (Shortlist | undefined)[]>

/** A new state of health comes with every change of placement too, within half a minute: then all lists go. */
const kept = new WeakMap<HealthIndex, Kept>()
/** The state that was asked for last, which is the one of nearly every request. */
let last: { readonly health: HealthIndex; readonly byHosts: Kept } | undefined

function listsOf(health: HealthIndex): Kept {
  if (last?.health === health) return last.byHosts
  let byHosts = kept.get(health)
  if (!byHosts) kept.set(health, (byHosts = new Map()))
  last = { health, byHosts }
  return byHosts
}

const kinds = { fragile: 0, normal: 1, forgiving: 2 } as const

function facetOf({ kind, isTls, address }: SelectionClient, { allowHttpHosts }: Draw): number {
  return (kinds[kind] << 3) | (isTls ? 4 : 0) | (address.family === 6 ? 2 : 0) | (allowHttpHosts ? 1 : 0)
}

/** `hosts`: those of a tier, the same list for the same placement. */
export function shortlistOf(
  hosts: readonly IndexedHost[],
  fleet: Fleet,
  client: SelectionClient,
  draw: Draw,
): Shortlist {
  const byHosts = listsOf(fleet.health)
  let byFacet = byHosts.get(hosts)
  if (!byFacet) byHosts.set(hosts, (byFacet = []))
  const facet = facetOf(client, draw)
  return (byFacet[facet] ??= makeShortlist(hosts, fleet, client, draw))
}

function makeShortlist(hosts: readonly IndexedHost[], fleet: Fleet, client: SelectionClient, draw: Draw): Shortlist {
  const fit = hosts.filter((indexed) => judgeStanding(indexed, { fleet, client, draw }) === 0)
  return {
    candidates: fit.map((indexed) => candidateOf(indexed, client, draw)!),
    hosts: fit,
    ids: Int32Array.from(fit, ({ host }) => host.id),
    keys: Int32Array.from(fit, ({ host }) => keyOf(host.id)),
    parts: Float64Array.from(fit, ({ host }) => 1 / weightOf(host)),
    generations: Float64Array.from(fit, ({ host }) => host.generation),
  }
}
