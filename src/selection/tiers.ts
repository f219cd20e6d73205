// How near a host is to a client, nearest first. A host belongs to the first tier that has it.

import type { IndexedHost, PlacementIndex } from '#snapshots/index-placement.ts'
import type { RingName } from '#snapshots/nearness.ts'
import type { SelectionClient } from './client.ts'

export type TierName = 'exclusive' | 'netblock' | 'as' | 'peer-as' | RingName

export type Tier = {
  readonly name: TierName
  /** What the hosts of this tier have in common with the client. */
  readonly of: string
  readonly hosts: readonly IndexedHost[]
  /** Clients of a home tier find room where guests no longer do. */
  readonly isHome: boolean
  readonly isOwnNetwork: boolean
}

/** The tiers that have hosts for this client. Longer netblocks come first: a campus before its provider. Most clients are in no network
 *  that a host declared: they get the rings of their country as they are kept. */
export function tiersOf(placement: PlacementIndex, client: SelectionClient): readonly Tier[] {
  const rings = placement.nearness.ringsOf(client.country)
  const netblocks = placement.netblocks.findAll(client.address)
  if (netblocks.length === 0 && client.asn === undefined) return rings
  const tiers: Tier[] = []
  for (const { text, exclusive } of netblocks) {
    if (exclusive.length > 0)
      tiers.push({ name: 'exclusive', of: text, hosts: exclusive, isHome: true, isOwnNetwork: true })
  }
  for (const { text, open } of netblocks) {
    if (open.length > 0) tiers.push({ name: 'netblock', of: text, hosts: open, isHome: true, isOwnNetwork: true })
  }
  if (client.asn !== undefined) {
    const of = `AS${client.asn}`
    const same = placement.byAsn.get(client.asn)
    if (same) tiers.push({ name: 'as', of, hosts: same, isHome: true, isOwnNetwork: false })
    const peers = placement.byPeerAsn.get(client.asn)
    if (peers) tiers.push({ name: 'peer-as', of, hosts: peers, isHome: true, isOwnNetwork: false })
  }
  for (const ring of rings) tiers.push(ring)
  return tiers
}
