import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { ipv4, prefixKey } from '#kit/address.ts'
import type { HostHealth } from '#snapshots/health.ts'
import { indexPlacement } from '#snapshots/index-placement.ts'
import type { PlacedHost } from '#snapshots/placement.ts'
import { clientOf, digestOf, fleetOf, hostOf, well } from '../../test/kit/fleet-of-hosts.ts'
import type { ClientKind, Draw, Fleet, SelectionClient, WantedBlob } from './client.ts'
import { explainHosts } from './explain-hosts.ts'
import { Headroom, headroomDefaults } from './headroom.ts'
import { rankHosts } from './rank-hosts.ts'

const blob: WantedBlob = { digest: digestOf(0x5eed), generation: 5 }
const draw: Draw = { epoch: 1, allowHttpHosts: true, limit: 1000 }

const idsOf = (fleet: Fleet, client: SelectionClient, wanted = blob, how = draw) =>
  rankHosts(fleet, client, wanted, how).map(({ host }) => host.id)

describe('tiers', () => {
  const hosts = [
    hostOf(1),
    hostOf(2, { country: 'CZ' }),
    hostOf(3, { country: 'CZ', peerAsns: [64500] }),
    hostOf(4, { asn: 64500 }),
    hostOf(5, { netblocks: ['192.0.0.0/16'] }),
    hostOf(6, { netblocks: ['192.0.2.0/24'] }),
    hostOf(7, { netblocks: ['192.0.0.0/16'], isPrivate: true }),
    hostOf(8, { netblocks: ['198.51.100.0/24'], isPrivate: true }),
  ]

  test('come nearest first: exclusive, longest netblock, AS, peer AS, country, world', () => {
    const client = clientOf({ country: 'CZ', asn: 64500 })
    expect(idsOf(fleetOf(hosts), client)).toEqual([7, 6, 5, 4, 3, 2, 1])
  })

  test('a stranger meets no private host, and no tier of networks it is not in', () => {
    const ids = idsOf(fleetOf(hosts), clientOf({ ip: '203.0.113.1' }))
    expect(ids.toSorted()).toEqual([1, 2, 3, 4, 5, 6])
  })

  test('the limit keeps the best', () => {
    const client = clientOf({ country: 'CZ', asn: 64500 })
    expect(idsOf(fleetOf(hosts), client, blob, { ...draw, limit: 3 })).toEqual([7, 6, 5])
  })

  test('never interleave, repeat no host, and limit only cuts, whatever the fleet', () => {
    const countries = ['CZ', 'DE', 'SK', 'JP', undefined] as const
    const anyHost = fc.record({
      country: fc.constantFrom(...countries),
      position: fc.constantFrom(undefined, undefined, { latitude: 48.2, longitude: 16.4 }),
      bandwidthMbps: fc.constantFrom(0, -1, Number.NaN, 1, 10, 1000, Number.POSITIVE_INFINITY),
      isPrivate: fc.boolean(),
      netblocks: fc.subarray(['192.0.2.0/24', '192.0.0.0/16', '0.0.0.0/0', '2001:db8::/32']),
      asn: fc.constantFrom(undefined, 64500),
      peerAsns: fc.subarray([64500, 64501]),
      grade: fc.constantFrom('gold', 'proven', 'probation'),
      excluded: fc.constantFrom(undefined, undefined, undefined, 'switched off'),
      generation: fc.constantFrom(4, 5, 6),
      missing: fc.constantFrom([], [], [blob.digest]),
      extra: fc.constantFrom([], [], [blob.digest]),
      urls: fc.constantFrom([], ['http://a.example'], ['https://a.example'], ['http://a.example', 'https://a.example']),
      allowedCountries: fc.constantFrom([], [], ['CZ'], ['DE']),
    }) as fc.Arbitrary<Partial<PlacedHost>>
    const anyHealth = fc.record({
      isAlive: fc.constantFrom(true, true, true, false),
      circuit: fc.constantFrom('closed', 'closed', 'closed', 'open', 'draining'),
      families: fc.constantFrom(undefined, [4], [6], [4, 6]),
    }) as fc.Arbitrary<Partial<HostHealth>>
    const anyClient = fc.record({
      ip: fc.constantFrom('192.0.2.1', '203.0.113.9', '2001:db8::1', '2001:4860::1'),
      country: fc.constantFrom(...countries),
      asn: fc.constantFrom(undefined, 64500),
      kind: fc.constantFrom<ClientKind>('fragile', 'normal', 'forgiving'),
      isTls: fc.boolean(),
    })
    const rank = ['exclusive', 'netblock', 'as', 'peer-as', 'country', 'neighbours', 'continent', 'world']
    fc.assert(
      fc.property(
        fc.array(fc.tuple(anyHost, anyHealth, fc.boolean()), { maxLength: 12 }),
        anyClient,
        fc.boolean(),
        fc.nat(),
        fc.array(fc.tuple(fc.nat({ max: 11 }), fc.integer({ min: 1, max: 30 })), { maxLength: 12 }),
        (rows, about, allowHttpHosts, epoch, bookings) => {
          const placed = rows.map(([host], i) => hostOf(i, host))
          const health = rows.flatMap(([, one, isProbed], i) => (isProbed ? [{ ...well(i), ...one }] : []))
          const fleet = fleetOf(placed, health)
          const client = clientOf(about)
          const headroom = new Headroom(headroomDefaults, () => 0)
          for (const [id, seconds] of bookings) headroom.book(hostOf(id), (seconds * 100e6) / 8)
          const how = { epoch, allowHttpHosts, limit: 100, headroom }
          const ranked = rankHosts(fleet, client, blob, how)
          const ids = ranked.map(({ host }) => host.id)
          expect(new Set(ids).size).toBe(ids.length)
          for (const limit of [1, 2, 5]) {
            expect(rankHosts(fleet, client, blob, { ...how, limit })).toEqual(ranked.slice(0, limit))
          }
          for (const { host, url } of ranked) {
            const state = health.find(({ id }) => id === host.id)!
            expect(host.excluded).toBeUndefined()
            expect(state.isAlive && state.circuit === 'closed').toBe(true)
            expect(state.families?.includes(client.address.family) ?? true).toBe(true)
            expect(host.generation >= 5 ? host.missing.length === 0 : host.extra.length === 1).toBe(true)
            if (client.isTls && !allowHttpHosts) expect(url.startsWith('https:')).toBe(true)
            if (client.kind === 'fragile') expect(host.grade).toBe('gold')
            if (client.kind === 'normal') expect(host.grade).not.toBe('probation')
          }
          const told = explainHosts(fleet, client, blob, how)
          const there = told.tiers.flatMap(({ hosts }) => hosts)
          const inOrder = [...there.filter(({ hasRoom }) => hasRoom), ...there.filter(({ hasRoom }) => !hasRoom)]
          expect(inOrder.map(({ id }) => id)).toEqual(ids)
          expect(told.tiers.map(({ tier }) => rank.indexOf(tier))).toEqual(
            told.tiers.map(({ tier }) => rank.indexOf(tier)).toSorted(),
          )
          for (const { hosts: there } of told.tiers) {
            expect(there.reduce((sum, { share }) => sum + share, 0)).toBeCloseTo(1, 9)
          }
          // Whoever is not ranked has a reason.
          const out = told.leftOut.map(({ id }) => id)
          expect([...ids, ...out].toSorted((a, b) => a - b)).toEqual(placed.map(({ id }) => id))
          for (const { reason, verdict } of told.leftOut) {
            expect(reason.length).toBeGreaterThan(5)
            expect(verdict).not.toBe('suits')
          }
        },
      ),
      { numRuns: 400 },
    )
  })
})

describe('shares', () => {
  const draws = 20_000
  const countFirst = (fleet: Fleet, about: Partial<SelectionClient> = {}, headroom?: Headroom) => {
    const counts = new Map<number, number>()
    for (let i = 0; i < draws; i++) {
      const address = ipv4((i * 2654435761) >>> 0)
      const client = { ...clientOf(about), address, prefixKey: prefixKey(address) }
      const how = { ...draw, limit: 1, headroom }
      const first = rankHosts(fleet, client, { digest: digestOf(i % 7), generation: 5 }, how)[0]!
      counts.set(first.host.id, (counts.get(first.host.id) ?? 0) + 1)
    }
    return (id: number) => (counts.get(id) ?? 0) / draws
  }

  test('are in proportion to bandwidth', () => {
    const share = countFirst(fleetOf([1, 2, 3, 4].map((id) => hostOf(id, { bandwidthMbps: id * 100 }))))
    for (const id of [1, 2, 3, 4]) expect(Math.abs(share(id) - id / 10)).toBeLessThan(0.015)
  })

  test('are equal among equals, also when nobody declared a bandwidth', () => {
    for (const bandwidthMbps of [100, 0, -5, Number.NaN, Number.POSITIVE_INFINITY]) {
      const share = countFirst(fleetOf([1, 2, 3, 4, 5].map((id) => hostOf(id, { bandwidthMbps }))))
      for (const id of [1, 2, 3, 4, 5]) expect(Math.abs(share(id) - 0.2)).toBeLessThan(0.015)
    }
  })

  test('a country with one of its hosts left keeps its clients for as long as that one has room', () => {
    const world = [5, 6, 7, 8].map((id) => hostOf(id, { country: 'DE' }))
    const fleet = fleetOf([hostOf(1, { country: 'CZ' }), hostOf(2, { country: 'CZ', generation: 4 }), ...world])
    expect(countFirst(fleet, { country: 'CZ' })(1)).toBe(1)
    const headroom = new Headroom(headroomDefaults, () => 0)
    headroom.book(hostOf(1), 200e6)
    expect(countFirst(fleet, { country: 'CZ' }, headroom)(1)).toBe(0)
  })

  test('more weight never moves a host back, for any draw', () => {
    const bandwidth = fc.integer({ min: 0, max: 10_000 })
    fc.assert(
      fc.property(fc.array(bandwidth, { minLength: 2, maxLength: 8 }), bandwidth, fc.nat(), (mbps, more, epoch) => {
        const order = (extra: number) =>
          idsOf(
            fleetOf(mbps.map((one, id) => hostOf(id, { bandwidthMbps: id === 0 ? one + extra : one }))),
            clientOf(),
            blob,
            { ...draw, epoch },
          ).indexOf(0)
        expect(order(more)).toBeLessThanOrEqual(order(0))
      }),
      { numRuns: 200 },
    )
  })

  test('a nearer host comes no later than the same host farther away, for any draw', () => {
    const near: readonly Partial<PlacedHost>[] = [
      { netblocks: ['192.0.2.0/24'] },
      { netblocks: ['192.0.0.0/16'] },
      { asn: 64500 },
      { peerAsns: [64500] },
      { country: 'CZ' },
      { country: 'SK' },
      { country: 'DE' },
      { country: 'FR' },
      { country: 'PT' },
      { country: 'US' },
    ]
    const others = [
      hostOf(10, { country: 'CZ' }),
      hostOf(11),
      hostOf(12, { country: 'CZ' }),
      hostOf(13, { asn: 64500 }),
      hostOf(14, { country: 'PL' }),
      hostOf(15, { country: 'IS' }),
    ]
    fc.assert(
      fc.property(fc.nat({ max: near.length - 2 }), fc.nat(), (i, epoch) => {
        const client = clientOf({ country: 'CZ', asn: 64500 })
        const at = (about: Partial<PlacedHost>) =>
          idsOf(fleetOf([hostOf(1, about), ...others]), client, blob, { ...draw, epoch }).indexOf(1)
        expect(at(near[i]!)).toBeLessThanOrEqual(at(near[i + 1]!))
      }),
      { numRuns: 200 },
    )
  })
})

describe('the same question', () => {
  const many = fleetOf(Array.from({ length: 50 }, (_, id) => hostOf(id)))

  test('meets the same hosts from the whole /24, and others with another digest, prefix or epoch', () => {
    const order = idsOf(many, clientOf({ ip: '192.0.2.1' }))
    expect(idsOf(many, clientOf({ ip: '192.0.2.254' }))).toEqual(order)
    expect(idsOf(many, clientOf({ ip: '192.0.3.1' }))).not.toEqual(order)
    expect(idsOf(many, clientOf(), { ...blob, digest: digestOf(7) })).not.toEqual(order)
    expect(idsOf(many, clientOf(), blob, { ...draw, epoch: 2 })).not.toEqual(order)
  })

  test('keeps its order among the others when a host goes', () => {
    const order = idsOf(many, clientOf())
    const fewer = fleetOf(many.placement.hosts.map(({ host }) => host).filter(({ id }) => id !== order[0]))
    expect(idsOf(fewer, clientOf())).toEqual(order.slice(1))
  })
})

describe('no host', () => {
  test.each([
    ['at all', []],
    ['alive', [hostOf(1)]],
  ])('%s: the list is empty', (_, hosts) => {
    expect(rankHosts(fleetOf(hosts, []), clientOf(), blob, draw)).toEqual([])
  })
})

describe('why a host is left out', () => {
  const health = (about: Partial<HostHealth>) => ({ ...well(1), ...about })
  test.each([
    ['excluded', { excluded: 'switched off by its admin: moving house' }, {}, {}, /moving house/],
    ['dead', {}, { isAlive: false, reason: 'connection refused' }, {}, /connection refused/],
    ['circuit-open', {}, { circuit: 'open', reason: 'wrong bytes' }, {}, /open: wrong bytes/],
    ['draining', {}, { circuit: 'draining' }, {}, /draining/],
    ['no-url', { urls: [] }, {}, {}, /no address/],
    ['http-only', {}, {}, { isTls: true }, /only http/],
    ['other-family', { urls: ['http://192.0.2.7:80'] }, {}, { ip: '2001:db8::1' }, /IPv6/],
    ['other-family', { urls: ['http://[2001:db8::7]:80'] }, {}, {}, /IPv4/],
    ['other-family', {}, { families: [4] }, { ip: '2001:db8::1' }, /IPv6/],
    ['generation-behind', { generation: 4 }, {}, {}, /up to generation 4; the blob came with 5/],
    ['blob-missing', { missing: [blob.digest] }, {}, {}, /lacks/],
    ['not-gold', {}, {}, { kind: 'fragile' }, /proven.*gold/],
    ['on-probation', { grade: 'probation' }, {}, {}, /probation/],
    ['other-country', { allowedCountries: ['CZ', 'SK'] }, {}, { country: 'DE' }, /CZ, SK.*DE/],
    ['private', { isPrivate: true }, {}, {}, /private/],
  ] as const)('%s', (verdict, placed, state, client, reason) => {
    const fleet = fleetOf([hostOf(1, placed)], [health(state)])
    const told = explainHosts(fleet, clientOf(client), blob, { ...draw, allowHttpHosts: false })
    expect(told.tiers).toEqual([])
    expect(told.leftOut.map((one) => one.verdict)).toEqual([verdict])
    expect(told.leftOut[0]!.reason).toMatch(reason)
  })

  test('a host never probed says so', () => {
    expect(explainHosts(fleetOf([hostOf(1)], []), clientOf(), blob, draw).leftOut[0]!.verdict).toBe('unprobed')
  })
})

test('a netblock that a host declared outranks its list of countries', () => {
  const host = hostOf(1, { allowedCountries: ['CZ'], netblocks: ['192.0.2.0/24'] })
  expect(idsOf(fleetOf([host]), clientOf({ country: 'DE' }))).toEqual([1])
})

test('https clients meet the https address, http clients the preferred one', () => {
  const fleet = fleetOf([hostOf(1, { urls: ['http://a.example', 'https://a.example'] })])
  expect(rankHosts(fleet, clientOf({ isTls: true }), blob, draw)[0]!.url).toBe('https://a.example')
  expect(rankHosts(fleet, clientOf(), blob, draw)[0]!.url).toBe('http://a.example')
})

test('a document that cannot be used whole is refused', () => {
  expect(() => fleetOf([hostOf(1), hostOf(1)])).toThrow(/twice/)
  expect(() => fleetOf([hostOf(1, { netblocks: ['10.0.0.1/8'] })])).toThrow(/no netblock/)
  expect(() => indexPlacement({ format: 2, version: 1, builtAtMs: 0, channel: 'stable', hosts: [] } as never)).toThrow(
    /format 2/,
  )
})
