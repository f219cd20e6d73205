// Fleets and clients made by hand, for tests of selection.

import { parseAddress, prefixKey } from '#kit/address.ts'
import type { Fleet, SelectionClient } from '#selection/client.ts'
import type { HostHealth } from '#snapshots/health.ts'
import { indexHealth, indexPlacement } from '#snapshots/index-placement.ts'
import type { PlacedHost } from '#snapshots/placement.ts'
import { placed } from './front-door.ts'

export const digestOf = (n: number) => `sha256:${(n >>> 0).toString(16).padStart(8, '0')}${'0'.repeat(56)}`

/** It holds everything up to generation 5. */
export const hostOf = (id: number, about: Partial<PlacedHost> = {}): PlacedHost =>
  placed(id, `http://host${id}.example.net/flotilla`, {
    site: 'site',
    grade: 'proven',
    generation: 5,
    ticket: 'query',
    ...about,
  })

export const well = (id: number): HostHealth => ({
  id,
  isAlive: true,
  reason: undefined,
  checkedAtMs: 0,
  roundTripMs: 10,
  circuit: 'closed',
})

export const fleetOf = (
  hosts: readonly PlacedHost[],
  health: readonly HostHealth[] = hosts.map(({ id }) => well(id)),
): Fleet => ({
  placement: indexPlacement({ format: 1, version: 3, builtAtMs: 0, channel: 'stable', hosts }),
  health: indexHealth({ format: 1, version: 4, builtAtMs: 0, hosts: health }),
})

export const clientOf = (about: Partial<SelectionClient> & { ip?: string } = {}): SelectionClient => {
  const address = parseAddress(about.ip ?? '192.0.2.1')!
  return {
    country: undefined,
    asn: undefined,
    kind: 'normal',
    isTls: false,
    ...about,
    address,
    prefixKey: prefixKey(address),
  }
}
