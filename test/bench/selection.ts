// How long selection takes: the hot path beside the full explanation of the same decision, which judges and sorts every host.

import { ipv4, prefixKey } from '#kit/address.ts'
import type { Draw, Fleet, SelectionClient } from '#selection/client.ts'
import { explainHosts } from '#selection/explain-hosts.ts'
import { Headroom, headroomDefaults } from '#selection/headroom.ts'
import { rankHosts } from '#selection/rank-hosts.ts'
import { indexHealth, indexPlacement } from '#snapshots/index-placement.ts'
import type { PlacedHost } from '#snapshots/placement.ts'

const digests = Array.from({ length: 1024 }, (_, i) => Bun.SHA256.hash(String(i), 'hex'))
/** Those of a real fleet; SK is not among them. */
const countries =
  'AE AM AR AU AZ BD BE BG BR BY CA CH CL CN CO CR CZ DE DK DO DZ EC ES FI FR GB GE GH GR HU ID IL IN IQ IR IS IT JP KE KH KR KZ LV MA MD MK MU MX MY NL NO NZ PH PL PT RO RS RU SA SE SG SI TH TN TR TW TZ UA UG US UZ VN ZA'.split(
    ' ',
  )
const headroom = new Headroom(headroomDefaults, Date.now)
const draw: Draw = { epoch: 1, allowHttpHosts: true, limit: 8, headroom }

function fleetOf(count: number, lackedByEach: number): Fleet {
  const hosts = Array.from({ length: count }, (_, id): PlacedHost => {
    const missing = Array.from({ length: lackedByEach }, (_, i) => `sha256:${Bun.SHA256.hash(`${id} ${i}`, 'hex')}`)
    return {
      id,
      name: `host${id}`,
      site: 'site',
      grade: 'proven',
      country: countries[id % countries.length],
      bandwidthMbps: 100 + id,
      isPrivate: false,
      netblocks: id % 3 === 0 ? [`10.${id % 250}.0.0/16`] : [],
      allowedCountries: [],
      asn: undefined,
      peerAsns: [],
      urls: [`https://host${id}.example.net`],
      excluded: undefined,
      generation: 5,
      missing,
      extra: [],
      ticket: 'query',
    }
  })
  const alive = { isAlive: true, reason: undefined, checkedAtMs: 0, roundTripMs: 1, circuit: 'closed' } as const
  return {
    placement: indexPlacement({ format: 1, version: 1, builtAtMs: 0, channel: 'stable', hosts }),
    health: indexHealth({ format: 1, version: 1, builtAtMs: 0, hosts: hosts.map(({ id }) => ({ id, ...alive })) }),
  }
}

/** Clients, prefixes and digests that change with every call; the text of the digest is new each time, as it is off the wire. */
function microseconds(
  calls: number,
  country: string | undefined,
  call: (client: SelectionClient, digest: string) => unknown,
): number {
  const samples: number[] = []
  for (let round = 0; round < 5; round++) {
    const startedAt = performance.now()
    for (let i = 0; i < calls; i++) {
      const address = ipv4(Math.imul(i, 2654435761) >>> 0)
      const client: SelectionClient = {
        address,
        prefixKey: prefixKey(address),
        country,
        asn: undefined,
        kind: 'normal',
        isTls: true,
      }
      call(client, `sha256:${digests[i % digests.length]}`)
    }
    samples.push(((performance.now() - startedAt) * 1000) / calls)
  }
  return samples.sort((a, b) => a - b)[2]!
}

const clients = [
  ['of no country', undefined],
  ['of a country', 'CZ'],
  ['of one without hosts', 'SK'],
] as const

console.log('hosts  client                first us  eight us  explain us   ratio')
for (const count of [10, 100, 600, 1000]) {
  const fleet = fleetOf(count, 200)
  for (const [where, country] of clients) {
    const blob = (digest: string) => ({ digest, generation: 3 })
    // What a first ask costs, and what one costs that comes back.
    const [first, ranked] = [1, draw.limit].map((limit) =>
      microseconds(4_000_000 / (count + 100), country, (client, digest) =>
        rankHosts(fleet, client, blob(digest), { ...draw, limit }),
      ),
    ) as [number, number]
    const told = microseconds(400_000 / (count + 100), country, (client, digest) =>
      explainHosts(fleet, client, blob(digest), draw),
    )
    const row = [
      String(count).padStart(5),
      where.padEnd(20),
      first.toFixed(2).padStart(8),
      ranked.toFixed(2).padStart(8),
      told.toFixed(2).padStart(11),
    ]
    console.log(`${row.join('  ')}  ${(told / ranked).toFixed(0).padStart(5)}x`)
  }
}
