// How near a host is to a client, nearest first. A host belongs to the first tier that has it.

import type { IndexedHost, PlacementIndex } from '#snapshots/index-placement.ts'
import type { SelectionClient } from './client.ts'

export type TierName = 'exclusive' | 'netblock' | 'as' | 'peer-as' | 'country' | 'world'

export type Tier = {
  readonly name: TierName
  /** What the hosts of this tier have in common with the client. */
  readonly of: string
  readonly hosts: readonly IndexedHost[]
  /** Holders it wants before it leads all of its clients; see `leadOf`. */
  readonly wanted: number
  readonly isOwnNetwork: boolean
}

/** The tiers that have hosts for this client. Longer netblocks come first: a campus before its provider. */
export function tiersOf(placement: PlacementIndex, client: SelectionClient): readonly Tier[] {
  const tiers: Tier[] = []
  const netblocks = placement.netblocks.findAll(client.address)
  for (const { text, exclusive } of netblocks) {
    if (exclusive.length > 0)
      tiers.push({ name: 'exclusive', of: text, hosts: exclusive, wanted: 1, isOwnNetwork: true })
  }
  for (const { text, open } of netblocks) {
    if (open.length > 0) tiers.push({ name: 'netblock', of: text, hosts: open, wanted: 1, isOwnNetwork: true })
  }
  if (client.asn !== undefined) {
    const same = placement.byAsn.get(client.asn)
    if (same) tiers.push({ name: 'as', of: `AS${client.asn}`, hosts: same, wanted: 1, isOwnNetwork: false })
    const peers = placement.byPeerAsn.get(client.asn)
    if (peers) tiers.push({ name: 'peer-as', of: `AS${client.asn}`, hosts: peers, wanted: 1, isOwnNetwork: false })
  }
  const { country } = client
  const inCountry = country === undefined ? undefined : placement.byCountry.get(country)
  if (inCountry) tiers.push({ name: 'country', of: country!, hosts: inCountry, wanted: 2, isOwnNetwork: false })
  tiers.push({ name: 'world', of: 'all', hosts: placement.world, wanted: 1, isOwnNetwork: false })
  return tiers
}

/** The part of its clients that a tier leads. A country of many hosts of which one is left must not load that one with all;
 *  it keeps its part, and the rest begin one tier out, where its hosts take part as well. With no more hosts than it has,
 *  a tier leads all. */
export function leadOf(wanted: number, suiting: number, enabled: number): number {
  const needed = Math.min(wanted, enabled)
  return suiting >= needed ? 1 : suiting / needed
}
