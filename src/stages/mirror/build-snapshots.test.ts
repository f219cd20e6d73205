import { describe, expect, test } from 'bun:test'
import { indexHealth, indexPlacement } from '#snapshots/index-placement.ts'
import { hostFacts } from '../../../test/kit/host-facts.ts'
import { buildHealth } from './build-health.ts'
import { buildPlacement, type PlacementFacts } from './build-placement.ts'
import type { HostLiveness, UrlLiveness } from './check-liveness.ts'
import type { CrawlRecord, HostRecord, Presence } from './host-records.ts'

const host = (id: number, about: Partial<HostRecord> = {}): HostRecord => ({
  id,
  site: { id: 1, name: 'Example University', organisationUrl: undefined, isPrivate: false, contact: undefined },
  ...hostFacts(`mirror${id}.example.net`, {
    country: 'CZ',
    asn: 2852,
    netblocks: ['147.229.0.0/16'],
    categories: [{ category: 'stable', urls: [`http://mirror${id}.example.net`, `https://mirror${id}.example.net`] }],
  }),
  ...about,
})

const proven: Presence = { generation: 3, missing: ['sha256:a'], extra: [] }
const crawl = (outcome: CrawlRecord['outcome']): CrawlRecord => ({
  hostId: 1,
  channel: 'stable',
  startedAtMs: 0,
  finishedAtMs: 1,
  outcome,
  reason: 'its evidence',
  held: 0,
  lacking: 0,
  requests: 0,
  sampledBytes: 0,
  faults: [],
})

const facts = (about: Partial<PlacementFacts> = {}): PlacementFacts => ({
  hosts: [host(1)],
  presence: new Map([[1, proven]]),
  lastCrawls: new Map(),
  liveness: new Map(),
  ...about,
})

const urlAt = (url: string, isAlive: boolean, about: Partial<UrlLiveness> = {}): UrlLiveness => ({
  url,
  isAlive,
  reason: isAlive ? undefined : 'connection refused',
  families: [4],
  failures: 0,
  successes: 1,
  checkedAtMs: 5,
  roundTripMs: 20,
  ...about,
})

const place = (about: Partial<PlacementFacts>) => buildPlacement('stable', facts(about), undefined, 0).hosts[0]!

describe('placement', () => {
  test('leaves out addresses that lie under a name of our own, and a host that has no other', () => {
    const under = (name: string) => place({ ownNames: [name] })
    expect(under('example.net').excluded).toMatch(/mirror1\.example\.net lies under example\.net.*credentials/)
    expect(under('mirror1.example.net').excluded).toMatch(/needs another name/)
    expect(under('other.example.net').excluded).toBeUndefined()
    expect(under('1.example.net').excluded).toBeUndefined()
    const urls = ['https://m.registry.example.org', 'https://mirror.example.com']
    const both = place({ hosts: [host(1, { categories: [{ category: 'stable', urls }] })], ownNames: ['example.org'] })
    expect([both.urls, both.excluded]).toEqual([['https://mirror.example.com'], undefined])
  })

  test('carries what selection needs and can be indexed', () => {
    const document = buildPlacement('stable', facts({ hosts: [host(2), host(1)] }), undefined, 7)
    expect(document.hosts.map(({ id }) => id)).toEqual([1, 2])
    expect(document).toMatchObject({ version: 1, builtAtMs: 7, channel: 'stable' })
    expect(document.hosts[0]).toMatchObject({
      generation: 3,
      missing: ['sha256:a'],
      excluded: undefined,
      site: 'Example University',
    })
    const index = indexPlacement(JSON.parse(JSON.stringify(document)))
    expect(index.exceptions.get('sha256:a')!.missing.has(1)).toBe(true)
  })

  test('tells where a host stands only when somebody said so', () => {
    const there = host(1, { latitude: 49.1951, longitude: 16.6068 })
    expect(place({ hosts: [there] }).position).toEqual({ latitude: 49.1951, longitude: 16.6068 })
    expect(place({}).position).toBeUndefined()
  })

  test.each<[string, Partial<HostRecord>, Partial<PlacementFacts>, RegExp]>([
    ['the operator', { isAdminActive: false, disableReason: 'abuse' }, {}, /by the operator: abuse/],
    ['its admin', { isUserActive: false }, {}, /by its own admin$/],
    ['another channel', { categories: [{ category: 'testing', urls: ['http://a'] }] }, {}, /does not carry stable/],
    ['no address', { categories: [{ category: 'stable', urls: [] }] }, {}, /does not carry stable/],
    ['no crawl yet', {}, { presence: new Map() }, /no crawl has finished/],
    [
      'an empty crawl',
      {},
      { presence: new Map(), lastCrawls: new Map([[1, crawl('trouble')]]) },
      /nothing is proven.*its evidence/,
    ],
    ['a lie', {}, { lastCrawls: new Map([[1, crawl('lying')]]) }, /wrong bytes: its evidence/],
    ['bad manners', {}, { lastCrawls: new Map([[1, crawl('unsuitable')]]) }, /break clients: its evidence/],
  ])('says why a host takes no part: %s', (_, about, more, reason) => {
    expect(place({ hosts: [host(1, about)], ...more }).excluded).toMatch(reason)
  })

  test.each(['complete', 'partial', 'behind', 'trouble'] as const)(
    'a crawl that was %s leaves what was proven in use',
    (outcome) => {
      expect(place({ lastCrawls: new Map([[1, crawl(outcome)]]) }).excluded).toBeUndefined()
    },
  )

  test('a private site makes its hosts private; an AS that is not served is not told', () => {
    const site = { ...host(1).site, isPrivate: true }
    expect(place({ hosts: [host(1, { site, isAsnClients: false })] })).toMatchObject({
      isPrivate: true,
      asn: undefined,
    })
  })

  test('an address that is dead is left out while another one lives', () => {
    const [http, https] = host(1).categories[0]!.urls
    const liveness = (...alive: boolean[]) => {
      return new Map([[1, { hostId: 1, urls: [urlAt(http!, alive[0]!), urlAt(https!, alive[1]!)] }]])
    }
    expect(place({ liveness: liveness(false, true) }).urls).toEqual([https!])
    expect(place({ liveness: liveness(true, true) }).urls).toEqual([http!, https!])
    expect(place({ liveness: liveness(false, false) }).urls).toEqual([http!, https!])
  })

  test('the version rises with every change, and when the document has become old', () => {
    const first = buildPlacement('stable', facts(), undefined, 1)
    expect(buildPlacement('stable', facts(), first, 2)).toBe(first)
    expect(buildPlacement('stable', facts(), first, 1_800_001)).toMatchObject({ version: 2, builtAtMs: 1_800_001 })
    const second = buildPlacement('stable', facts({ hosts: [host(1, { bandwidthMbps: 7 })] }), first, 3)
    expect(second).toMatchObject({ version: 2, builtAtMs: 3 })
    const read = JSON.parse(JSON.stringify(second)) as typeof second
    expect(buildPlacement('stable', facts({ hosts: [host(1, { bandwidthMbps: 7 })] }), read, 4)).toBe(read)
  })
})

describe('health', () => {
  const noEvidence = { strikes: 0, doubtSinceMs: undefined }
  const calm = { circuitOf: () => 'closed' as const, reasonOf: () => undefined, evidenceOf: () => noEvidence }
  const liveness = (...urls: UrlLiveness[]): HostLiveness[] => [{ hostId: 1, urls }]

  test('a host is alive with one address that is, over the families of those', () => {
    const urls = [
      urlAt('http://a', false, { families: [6], checkedAtMs: 9 }),
      urlAt('https://a', true, { roundTripMs: 12 }),
    ]
    const document = buildHealth({ liveness: liveness(...urls), strikes: calm }, undefined, 7)
    expect(document.hosts[0]).toEqual({
      id: 1,
      isAlive: true,
      reason: undefined,
      checkedAtMs: 9,
      roundTripMs: 12,
      families: [4],
      circuit: 'closed',
      strikes: 0,
      doubtSinceMs: undefined,
    })
    expect(indexHealth(document).byId.get(1)!.isAlive).toBe(true)
  })

  test('a dead one tells why; an open circuit tells its own reason', () => {
    const dead = liveness(urlAt('http://a', false))
    expect(buildHealth({ liveness: dead, strikes: calm }, undefined, 0).hosts[0]).toMatchObject({
      isAlive: false,
      reason: 'connection refused',
    })
    const open = { circuitOf: () => 'open' as const, reasonOf: () => 'other bytes', evidenceOf: () => noEvidence }
    expect(
      buildHealth({ liveness: liveness(urlAt('http://a', true)), strikes: open }, undefined, 0).hosts[0],
    ).toMatchObject({
      circuit: 'open',
      reason: 'other bytes',
    })
  })

  test('is shaky for ten minutes after a look that failed, and says so at once', () => {
    const well = { liveness: liveness(urlAt('http://a', true)), strikes: calm }
    const failed = { liveness: liveness(urlAt('http://a', true, { failedAtMs: 1_000 })), strikes: calm }
    const calmly = buildHealth(well, undefined, 0)
    expect(calmly.hosts[0]!.isShaky).toBeUndefined()
    const shaky = buildHealth(failed, calmly, 2_000)
    expect(shaky.hosts[0]).toMatchObject({ isAlive: true, isShaky: true })
    expect(buildHealth(failed, shaky, 601_000).hosts[0]!.isShaky).toBeUndefined()
  })

  test('stays the same document while verdicts do, and is told again before it looks forgotten', () => {
    const first = buildHealth({ liveness: liveness(urlAt('http://a', true)), strikes: calm }, undefined, 0)
    const later = liveness(urlAt('http://a', true, { roundTripMs: 99, checkedAtMs: 9_000 }))
    expect(buildHealth({ liveness: later, strikes: calm }, first, 10_000)).toBe(first)
    expect(buildHealth({ liveness: later, strikes: calm }, first, 30_000)).toMatchObject({
      version: 2,
      builtAtMs: 30_000,
    })
    const dead = liveness(urlAt('http://a', false))
    expect(buildHealth({ liveness: dead, strikes: calm }, first, 10_000)).toMatchObject({ version: 2 })
  })

  test('a doubt is told at once, and is found among the few without a look at the many', () => {
    const alive = liveness(urlAt('http://a', true))
    const first = buildHealth({ liveness: alive, strikes: calm }, undefined, 0)
    expect(indexHealth(first).doubts.size).toBe(0)
    const struck = { ...calm, evidenceOf: () => ({ strikes: 2, doubtSinceMs: 5 }) }
    const told = buildHealth({ liveness: alive, strikes: struck }, first, 6)
    expect(told).toMatchObject({ version: 2, hosts: [{ strikes: 2, doubtSinceMs: 5, circuit: 'closed' }] })
    expect([...indexHealth(JSON.parse(JSON.stringify(told))).doubts]).toEqual([[1, 5]])
  })
})
