// Whether one host that the client was sent to still suits it, whatever else would be drawn by now: the parts of one blob belong to one
// host, and that host filling up meanwhile must not tear them apart.

import type { Candidate } from '#snapshots/index-placement.ts'
import type { Draw, Fleet, SelectionClient, WantedBlob } from './client.ts'
import { candidateOf, judgeHost, questionOf } from './judge-host.ts'
import { tiersOf } from './tiers.ts'

/** Undefined when it suits no longer; without regard to headroom. */
export function findSuiting(
  id: number,
  fleet: Fleet,
  { client, blob, draw }: { readonly client: SelectionClient; readonly blob: WantedBlob; readonly draw: Draw },
): Candidate | undefined {
  const indexed = fleet.placement.byId.get(id)
  if (!indexed) return undefined
  const tier = tiersOf(fleet.placement, client).find(({ hosts }) => hosts.includes(indexed))
  if (!tier || judgeHost(indexed, questionOf(fleet, client, blob, draw), tier.isOwnNetwork) !== 0) return undefined
  return candidateOf(indexed, client, draw)
}
