// A fleet of the size that we mean to serve, with hosts where a real fleet has them (fixtures/fleet), and clients anywhere
// in the world.
import { ipv4 } from '#kit/address.ts'
import type { PlacedHost } from '#snapshots/placement.ts'
import type { Places } from '#snapshots/places.ts'
import shape from '../fixtures/fleet/hosts.json'
import { placed } from '../kit/front-door.ts'
import { seeded } from '../kit/seeded.ts'

/** Hosts of the shape, again from its start when there are more. */
export function realFleet(count: number, more: Partial<PlacedHost>): PlacedHost[] {
  return Array.from({ length: count }, (_, i) => {
    const row = shape[i % shape.length]!
    const position = 'latitude' in row ? { latitude: row.latitude!, longitude: row.longitude! } : undefined
    const country = 'country' in row ? row.country : undefined
    const name = `mirror${i}.example.net`
    const grade = i % 3 === 0 ? 'gold' : 'proven'
    return placed(i + 1, `http://${name}/flotilla`, {
      name,
      grade,
      country,
      position,
      bandwidthMbps: 100 * (1 + (i % 30)),
      ...more,
    })
  })
}

/** IPv4 addresses of which the database knows the country, as text, each of another /24. */
export function realAddresses(count: number, places: Places): string[] {
  const random = seeded(1)
  const found = new Map<number, string>()
  while (found.size < count) {
    const bits = Math.floor(random() * 2 ** 32)
    if (places.countryOf(ipv4(bits)) === undefined) continue
    found.set(bits >>> 8, [bits >>> 24, (bits >>> 16) & 255, (bits >>> 8) & 255, bits & 255].join('.'))
  }
  return [...found.values()]
}
