import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'bun:test'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { blobPath, makeDigest } from '#oci/digest.ts'
import {
  config,
  digestOf,
  empty,
  type FaultyHost,
  type FrontFixture,
  layer,
  makeAsk,
  manifest,
  openFront,
  placed,
  startHost,
} from '../../../test/kit/front-door.ts'
import { answerFront } from './answer-front.ts'
import { makeCounters } from './counters.ts'
import { type PullCountOptions, PullCounts, pullCountDefaults } from './pull-counts.ts'

const digest = (n: number) => makeDigest('sha256', Bun.SHA256.hash(String(n), 'hex'))
const dayMs = 86_400_000
const startMs = 20_500 * dayMs

function open(more: Partial<PullCountOptions> = {}) {
  const counters = makeCounters()
  return { counters, pulls: new PullCounts({ ...pullCountDefaults, ...more }, counters, () => 0.25) }
}

describe('a pull counts', () => {
  const { windowMs, maxPerPrefixAndDay } = pullCountDefaults

  test('once per prefix, blob and window', () => {
    const { pulls, counters } = open()
    for (let i = 0; i < 100; i++) pulls.note(1, digest(1), startMs + (i * windowMs) / 100)
    pulls.note(2, digest(1), startMs)
    pulls.note(1, digest(2), startMs)
    expect(pulls.take()).toEqual(
      new Map([
        [digest(1), 2],
        [digest(2), 1],
      ]),
    )
    pulls.note(1, digest(1), startMs + windowMs)
    expect(pulls.take()).toEqual(new Map([[digest(1), 1]]))
    expect(counters).toMatchObject({ pullsCounted: 4, pullsNotKept: 0 })
  })

  test('so many times a day for one prefix, however often and long it asks', () => {
    const { pulls } = open()
    const countOfDay = (day: number) => {
      for (let atMs = 0; atMs < dayMs; atMs += 60_000) pulls.note(2 ** 48 + 7, digest(1), startMs + day * dayMs + atMs)
      return pulls.take().get(digest(1))
    }
    expect([countOfDay(0), countOfDay(1), countOfDay(5)]).toEqual(Array(3).fill(maxPerPrefixAndDay))
  })

  test('never more than it should, and hardly less, when many pairs share the table', () => {
    const pair = fc.record({ prefix: fc.integer({ min: 0, max: 2 ** 30 }), blob: fc.integer({ min: 0, max: 40 }) })
    fc.assert(
      fc.property(fc.array(pair, { maxLength: 300 }), (pairs) => {
        const { pulls } = open({ places: 2 ** 16 })
        for (const { prefix, blob } of [...pairs, ...pairs]) pulls.note(prefix, digest(blob), startMs)
        const distinct = new Set(pairs.map(({ prefix, blob }) => `${prefix} ${blob}`)).size
        const counted = [...pulls.take().values()].reduce((sum, n) => sum + n, 0)
        expect(counted).toBeLessThanOrEqual(distinct)
        // 300 pairs on 65,536 places: two meet now and then, many never do.
        expect(counted).toBeGreaterThanOrEqual(distinct - 10)
      }),
      { numRuns: 50 },
    )
  })

  test('alike for all blobs when the table is far too small: the order of popularity stays', () => {
    const { pulls } = open({ places: 1024 })
    // Blob b has 4,096 / 2^b clients; all of them together are eight times the table.
    for (let b = 0; b < 4; b++)
      for (let prefix = 0; prefix < 4096 >> b; prefix++)
        for (const hour of [0, 6, 12, 18]) pulls.note(prefix, digest(b), startMs + hour * 3_600_000)
    const counts = pulls.take()
    const order = [0, 1, 2, 3].map((b) => counts.get(digest(b)) ?? 0)
    expect(order.toSorted((a, b) => b - a)).toEqual(order)
  })

  test('for as many blobs as may wait; the others are told as not kept, and room comes with the handing over', () => {
    const { pulls, counters } = open({ maxDigests: 3 })
    for (let n = 0; n < 5; n++) pulls.note(1, digest(n), startMs)
    pulls.note(2, digest(0), startMs)
    expect(pulls.take().size).toBe(3)
    expect(counters).toMatchObject({ pullsCounted: 4, pullsNotKept: 2 })
    pulls.note(1, digest(4), startMs)
    expect([...pulls.take().keys()]).toEqual([digest(4)])
  })
})

describe('at the front door', () => {
  let folder: string
  let host: FaultyHost
  let fixture: FrontFixture
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'pulls-'))
    host = await startHost()
  })
  afterAll(async () => {
    await host.stop()
    await rm(folder, { recursive: true, force: true })
  })
  beforeEach(async () => {
    fixture = await openFront(folder)
  })
  afterEach(() => fixture.outbound[Symbol.asyncDispose]())

  const counted = () => fixture.front.pulls.take().get(digestOf(layer)) ?? 0
  const blobOf = (bytes: Uint8Array) => `/v2/fedora/base/blobs/${digestOf(bytes)}`
  const get = async (headers: Record<string, string> = {}, target = blobOf(layer), method = 'GET') => {
    const answer = await answerFront(
      makeAsk(target, { 'x-forwarded-for': '192.0.2.7', ...headers }, method),
      fixture.front,
    )
    return answer.status
  }

  test.each([
    ['a redirect', [1], 307],
    ['bytes that are served here', [], 200],
  ] as const)('%s is one pull, its re-asks and parts are none', async (_, ids, status) => {
    fixture.fleet(ids.map((id) => placed(id, host.url)))
    expect(await get()).toBe(status)
    for (const range of [undefined, 'bytes=0-1048575', 'bytes=1048576-', 'bytes=0-', 'bytes=5-9,20-30'])
      await get(range === undefined ? {} : { range })
    expect(counted()).toBe(1)
    await get({ 'x-forwarded-for': '192.0.2.200' })
    expect(counted()).toBe(0)
    await get({ 'x-forwarded-for': '198.51.100.1' })
    expect(counted()).toBe(1)
  })

  test.each<[string, Record<string, string>, string, string]>([
    ['HEAD', {}, blobOf(layer), 'HEAD'],
    ['a blob that the client has already', { 'if-none-match': `"${digestOf(layer)}"` }, blobOf(layer), 'GET'],
    ['the rest of a broken transfer', { range: 'bytes=1000-' }, blobOf(layer), 'GET'],
    ['a small blob, which stays at home', {}, blobOf(config), 'GET'],
    ['a manifest read as a blob', {}, blobOf(manifest), 'GET'],
    ['a blob that the repository lacks', {}, blobOf(empty), 'GET'],
    ['what a host sends back', {}, `${blobOf(layer)}?miss=forged`, 'GET'],
    ['what a host sends back by path', {}, `/${blobPath(digestOf(layer))}?miss=forged`, 'GET'],
  ])('%s is none', async (_, headers, target, method) => {
    await get(headers, target, method)
    expect(fixture.front.pulls.take()).toEqual(new Map())
  })
})
