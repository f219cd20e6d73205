// The origin at its limits, as clients meet it: a farther host, a turn, or a time to come again.
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'bun:test'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Answer, Ask, StoredBody } from '#http/answer.ts'
import type { PlacedHost } from '#snapshots/placement.ts'
import {
  bodyOf,
  config,
  digestOf,
  type FaultyHost,
  type FrontFixture,
  layer,
  makeAsk,
  openFront,
  placed,
  startHost,
} from '../../../test/kit/front-door.ts'
import { waitUntil } from '../../../test/kit/wait-until.ts'
import { answerFront } from './answer-front.ts'
import { chooseDefaults } from './choose-options.ts'
import type { FrontOptions } from './front-door.ts'
import { type OriginLimits, originLimitDefaults } from './origin-budget.ts'

let folder: string
let host: FaultyHost
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'admit-'))
  host = await startHost()
})
afterAll(async () => {
  await host.stop()
  await rm(folder, { recursive: true, force: true })
})

async function open(
  limits: Partial<OriginLimits>,
  { hosts = [], options = {} }: { hosts?: readonly PlacedHost[]; options?: Partial<FrontOptions> } = {},
): Promise<FrontFixture> {
  const origin = { ...originLimitDefaults, transfers: 1, ...limits }
  const fixture = await openFront(folder, { options: { origin, ...options } })
  fixture.fleet(hosts)
  return fixture
}

const get = async (
  fixture: FrontFixture,
  ip = '192.0.2.7',
  more: Partial<Ask> = {},
  range?: string,
): Promise<Answer> => {
  const headers = { 'x-forwarded-for': ip, ...(range !== undefined && { range }) }
  return await answerFront({ ...makeAsk(`/v2/fedora/base/blobs/${digestOf(layer)}`, headers), ...more }, fixture.front)
}

const end = async (answer: Answer) => await (answer.body as StoredBody)[Symbol.asyncDispose]()
const waiting = ({ front }: FrontFixture, count: number) =>
  waitUntil(() => front.origin.waiting === count, { what: `${count} wait` })

describe('when the origin is at its limits', () => {
  test('a client waits for its turn, and then gets what it asked for', async () => {
    const fixture = await open({})
    const first = await get(fixture)
    const second = get(fixture)
    await waiting(fixture, 1)
    await end(first)
    expect((await bodyOf(await second)).equals(layer)).toBe(true)
    expect(fixture.front.counters).toMatchObject({ originNoHost: 2, originWaited: 1, localBytes: 2 * layer.length })
  })

  test('one that waited in vain, or that finds too many, is told to come again; never by 429', async () => {
    const fixture = await open({ waitMs: 0, maxWaiting: 1 })
    await get(fixture)
    const late = await get(fixture)
    expect([late.status, late.headers['retry-after']]).toEqual([503, '10'])
    const full = await open({ maxWaiting: 0 })
    await get(full)
    expect((await get(full)).status).toBe(503)
    expect(full.front.counters).toMatchObject({ originRefused: 1, localBytes: layer.length })
  })

  test('one that hangs up leaves the queue', async () => {
    const fixture = await open({})
    const first = await get(fixture)
    const client = new AbortController()
    const left = get(fixture, '192.0.2.7', { gone: client.signal })
    await waiting(fixture, 1)
    client.abort()
    await left
    expect([fixture.front.origin.waiting, fixture.front.counters.originLeft]).toEqual([0, 1])
    await end(first)
    expect(fixture.front.origin.running).toBe(0)
  })

  test('what is small, known, a head or no range is not kept waiting', async () => {
    const fixture = await open({ maxWaiting: 0 })
    await get(fixture)
    const path = `/v2/fedora/base/blobs/${digestOf(config)}`
    expect((await answerFront(makeAsk(path), fixture.front)).status).toBe(200)
    expect((await answerFront(makeAsk('/v2/fedora/base/manifests/latest'), fixture.front)).status).toBe(200)
    expect((await get(fixture, '192.0.2.7', { method: 'HEAD' })).status).toBe(200)
    expect((await get(fixture, '192.0.2.7', {}, `bytes=${layer.length}-`)).status).toBe(416)
  })

  test('a redirect to the origin costs its bytes, and no place', async () => {
    const origin = { ...originLimitDefaults, transfers: 1, bytesPerSecond: layer.length, maxWaiting: 0 }
    const fixture = await openFront(folder, {
      options: { origin, originUrl: 'https://origin.example' },
      parts: { openBlob: undefined },
    })
    fixture.fleet([])
    const half = layer.length / 2
    expect((await get(fixture, '192.0.2.7', {}, `bytes=${half}-`)).status).toBe(307)
    expect((await get(fixture, '198.51.100.7')).status).toBe(307)
    expect((await get(fixture, '203.0.113.7')).status).toBe(503)
    fixture.clock.nowMs += 501
    expect((await get(fixture, '203.0.113.7')).status).toBe(307)
    expect(fixture.front.origin.running).toBe(0)
  })
})

describe('a farther host', () => {
  const near = () => placed(1, host.url, { netblocks: ['192.0.0.0/16'] })
  const behind = 'http://127.0.0.1:9'
  const choose = { ...chooseDefaults, maxCandidates: 1 }

  // It is proven by the snapshots; a probe of ours, once its client has come back, finds it bad.
  beforeEach(() => {
    host.fault = ({ response }) => void response.writeHead(404).end()
  })

  /** Somebody is served by the origin, and somebody else had the only host that the ranking looks at. */
  async function crowded(hosts: readonly PlacedHost[], limits: Partial<OriginLimits> = {}): Promise<FrontFixture> {
    const fixture = await open({ maxWaiting: 0, ...limits }, { hosts, options: { choose } })
    for (const ip of ['192.0.2.7', '192.0.3.7']) expect((await get(fixture, ip)).headers.location).toStartWith(host.url)
    expect((await get(fixture, '192.0.2.7')).status).toBe(200)
    return fixture
  }

  test('that is proven takes a client whom the origin cannot, once', async () => {
    const fixture = await crowded([near(), placed(2, behind)])
    expect((await get(fixture, '192.0.3.7')).headers.location).toStartWith(behind)
    expect(fixture.front.counters).toMatchObject({ originFarther: 1, localBytes: layer.length })
    expect((await get(fixture, '192.0.3.7')).status).toBe(503)
  })

  test('is not one whose grade the client must not meet, nor one that is bad', async () => {
    const onProbation = await crowded([near(), placed(2, behind, { grade: 'probation' })])
    expect((await get(onProbation, '192.0.3.7')).status).toBe(503)
    const bad = await crowded([near(), placed(2, behind)])
    const pair = {
      candidate: { host: placed(2, behind), url: behind },
      blob: { digest: digestOf(layer), sizeBytes: 1 },
    }
    bad.front.proofs.failed({ ...pair, family: 4, prefixKey: 0 }, { isHostWide: true })
    expect((await get(bad, '192.0.3.7')).status).toBe(503)
  })

  test('may turn up while the client waits', async () => {
    const fixture = await crowded([near()], { maxWaiting: 1, lookMs: 1_000 })
    const answer = get(fixture, '192.0.3.7')
    await waiting(fixture, 1)
    fixture.clock.nowMs += 1_000
    fixture.fleet([near(), placed(2, behind)])
    expect((await answer).headers.location).toStartWith(behind)
    expect(fixture.front.origin.waiting).toBe(0)
  })

  test('is no place for a client that a host sent back', async () => {
    const fixture = await crowded([near(), placed(2, behind)])
    expect((await get(fixture, '192.0.3.7', { query: 'miss=x' })).status).toBe(503)
  })
})
