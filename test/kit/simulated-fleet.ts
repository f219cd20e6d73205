// A fleet of the shape of a real one (test/fixtures/fleet): where the hosts stand is real; what they can send and what they hold is drawn.

import type { Fleet } from '#selection/client.ts'
import type { PlacedHost } from '#snapshots/placement.ts'
import hostRows from '../fixtures/fleet/hosts.json' with { type: 'json' }
import { fleetOf, hostOf } from './fleet-of-hosts.ts'

export type SimulatedBlob = { readonly digest: string; readonly generation: number; readonly sizeBytes: number }

export type SimulatedFleet = {
  readonly fleet: Fleet
  /** Hosts that strangers may be sent to. */
  readonly publicHosts: readonly PlacedHost[]
  /** All that these can send, in bytes a second. */
  readonly capacity: number
  /** Where a host really is, which half of them declared; undefined: nobody knows. */
  readonly truePosition: ReadonlyMap<number, { readonly latitude: number; readonly longitude: number }>
  /** The most pulled first. */
  readonly blobs: readonly SimulatedBlob[]
  holds(host: PlacedHost, blob: SimulatedBlob): boolean
}

/** Mbit/s, and the part of the hosts that has it. */
const bandwidths = [
  [100, 0.2],
  [1_000, 0.6],
  [10_000, 0.2],
] as const

/** Of the hosts; these hold what is pulled most, as `replicate --cap` chooses it. */
const partialHosts = 0.4
/** Of the blobs: so new that no host has them. */
const newBlobs = 0.01

/** Most layers are small and most bytes are in large ones: from 100 kB to 400 MB, 50 MB on average. */
function drawBlobs(count: number, random: () => number): SimulatedBlob[] {
  return Array.from({ length: count }, (_, i) => ({
    digest: `sha256:${Array.from({ length: 8 }, () =>
      Math.floor(random() * 2 ** 32)
        .toString(16)
        .padStart(8, '0'),
    ).join('')}`,
    generation: i > 0 && random() < newBlobs ? 6 : 5,
    sizeBytes: Math.round(100e3 * 4000 ** random()),
  }))
}

function drawBandwidth(random: () => number): number {
  let left = random()
  for (const [mbps, part] of bandwidths) {
    left -= part
    if (left < 0) return mbps
  }
  return bandwidths[0][0]
}

export function simulateFleet(blobCount: number, random: () => number): SimulatedFleet {
  const blobs = drawBlobs(blobCount, random)
  const missingOf = new Map<number, ReadonlySet<string>>()
  const truePosition = new Map<number, { latitude: number; longitude: number }>()
  const hosts = hostRows.map((row, id) => {
    // From a twentieth to a half of what there is.
    const kept = random() < partialHosts ? Math.ceil(blobCount * (0.05 + 0.45 * random())) : blobCount
    const missing = blobs.slice(kept).map(({ digest }) => digest)
    missingOf.set(id, new Set(missing))
    const position = 'latitude' in row ? { latitude: row.latitude!, longitude: row.longitude! } : undefined
    if (position) truePosition.set(id, position)
    return hostOf(id, {
      country: row.country,
      position: random() < 0.5 ? position : undefined,
      bandwidthMbps: drawBandwidth(random),
      isPrivate: row.private,
      urls: [...(row.https ? [`https://host${id}.example`] : []), ...(row.http ? [`http://host${id}.example`] : [])],
      missing,
    })
  })
  // Clients come over https, and hosts that speak only http are not for them.
  const publicHosts = hosts.filter(({ isPrivate, urls }) => !isPrivate && urls[0]?.startsWith('https:'))
  return {
    fleet: fleetOf(hosts),
    publicHosts,
    capacity: publicHosts.reduce((sum, { bandwidthMbps }) => sum + (bandwidthMbps * 1e6) / 8, 0),
    truePosition,
    blobs,
    holds: ({ id, generation }, blob) => blob.generation <= generation && !missingOf.get(id)!.has(blob.digest),
  }
}
