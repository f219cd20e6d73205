// Stream mode against real hosts that break in every way that was seen: what the client gets, and what is learned of the hosts.
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'bun:test'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Answer } from '#http/answer.ts'
import {
  type BreakingHost,
  brokenBodies,
  brokenHeads,
  good,
  startBreakingHost,
  wrongAndEnds,
  wrongAt,
} from '../../../test/kit/breaking-host.ts'
import {
  bodyOf,
  digestOf,
  type FrontFixture,
  layer,
  makeAsk,
  openBlobIn,
  openFront,
  placed,
} from '../../../test/kit/front-door.ts'
import { answerFront } from './answer-front.ts'
import { type StreamOptions, streamDefaults } from './blob-streams.ts'
import type { ClientRule } from './client-kind.ts'
import type { FrontOptions, FrontParts } from './front-door.ts'

let folder: string
let near: BreakingHost
let far: BreakingHost
let origin: BreakingHost
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'stream-'))
  near = await startBreakingHost(layer)
  far = await startBreakingHost(layer)
  origin = await startBreakingHost(layer)
})
afterAll(async () => {
  for (const host of [near, far, origin]) await host[Symbol.asyncDispose]()
  await rm(folder, { recursive: true, force: true })
})
beforeEach(() => {
  for (const host of [near, far, origin]) {
    host.how = good
    host.ranges.length = host.heads.length = 0
  }
})

const ip = '192.0.2.7'
const digest = digestOf(layer)
const size = layer.length
const whole = `0-${size - 1}`
const everybody: readonly ClientRule[] = [{ product: '*', kind: 'normal', mode: 'stream' }]
const quick = { firstByteMs: 150, stallMs: 150 }

type Surroundings = {
  readonly streams?: Partial<StreamOptions>
  readonly options?: Partial<FrontOptions>
  readonly parts?: Partial<FrontParts>
  readonly grade?: 'gold' | 'proven'
}

async function open({ streams, options, parts, grade = 'gold' }: Surroundings = {}): Promise<FrontFixture> {
  const fixture = await openFront(folder, {
    options: { clientRules: everybody, streams: { ...streamDefaults, ...quick, ...streams }, ...options },
    ...(parts && { parts }),
  })
  // The near one comes first: the client is in its network.
  fixture.fleet([placed(1, near.url, { grade, netblocks: ['192.0.2.0/24'] }), placed(2, far.url, { grade })])
  return fixture
}

const ask = async (fixture: FrontFixture, headers: Record<string, string> = {}): Promise<Answer> =>
  await answerFront(makeAsk(`/v2/fedora/base/blobs/${digest}`, { 'x-forwarded-for': ip, ...headers }), fixture.front)

/** How much a client got before the cut. */
async function bytesBeforeCut(answer: Answer): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  let isCut = false
  try {
    for await (const chunk of (answer.body as { stream(): ReadableStream<Uint8Array> }).stream()) chunks.push(chunk)
  } catch {
    isCut = true
  }
  expect(isCut).toBe(true)
  return Buffer.concat(chunks)
}

const kindsOf = ({ evidence }: FrontFixture) => evidence.map(({ kind, hostId }) => `${kind} ${hostId}`)

describe('a good host', () => {
  test('is read for the client: one answer with a length, headers of ours, and nothing left running', async () => {
    const fixture = await open()
    const answer = await ask(fixture, { 'user-agent': 'oras/1.3.3' })
    expect(answer).toMatchObject({ status: 200, body: { sizeBytes: size } })
    expect(answer.headers).toMatchObject({
      'docker-content-digest': digest,
      'accept-ranges': 'bytes',
      etag: `"${digest}"`,
    })
    expect(fixture.front.streams.running).toBe(1)
    expect((await bodyOf(answer)).equals(layer)).toBe(true)
    expect([near.ranges, far.ranges, kindsOf(fixture)]).toEqual([[whole], [], []])
    expect(near.heads[0]).toContain('user-agent: oras/1.3.3\r\n')
    expect(near.heads[0]).toContain('accept-encoding: identity\r\n')
    expect(fixture.front.streams.running).toBe(0)
    expect(fixture.front.counters).toMatchObject({ streams: 1, streamedBytes: size, streamsCut: 0, redirects: 0 })
  })

  test('keeps its connections for the next streams', async () => {
    const fixture = await open()
    const before = near.openSockets
    for (let i = 0; i < 6; i++) await bodyOf(await ask(fixture))
    expect(near.ranges).toHaveLength(6)
    expect(near.openSockets - before).toBeLessThanOrEqual(2)
  })

  test('is not needed for what is told from the snapshot', async () => {
    const fixture = await open()
    expect((await ask(fixture, { 'if-none-match': `"${digest}"` })).status).toBe(304)
    expect(near.ranges).toEqual([])
  })
})

async function refusedPort(): Promise<string> {
  const gone = await startBreakingHost(layer)
  await gone[Symbol.asyncDispose]()
  return gone.url
}

describe('a host that begins nothing is left for the next one', () => {
  test.each(Object.entries(brokenHeads))('it %s', async (_, how) => {
    near.how = how
    const fixture = await open()
    const answer = await ask(fixture)
    expect(answer.status).toBe(200)
    expect((await bodyOf(answer)).equals(layer)).toBe(true)
    expect([near.ranges.length > 0, far.ranges]).toEqual([true, [whole]])
    expect(kindsOf(fixture)).toEqual(['probe-failed 1'])
    // Known from then on: nobody meets it again for a while.
    near.ranges.length = 0
    expect((await bodyOf(await ask(fixture))).equals(layer)).toBe(true)
    expect(near.ranges).toEqual([])
  })

  test('it refuses', async () => {
    const fixture = await open()
    const hosts = [placed(1, await refusedPort(), { netblocks: ['192.0.2.0/24'] }), placed(2, far.url)]
    fixture.fleet(hosts, {}, fixture.clock.nowMs + 1)
    expect((await bodyOf(await ask(fixture))).equals(layer)).toBe(true)
    expect(kindsOf(fixture)).toEqual(['probe-failed 1'])
  })
})

const goesOn: readonly (readonly [string, (at: number) => boolean])[] = [
  ['falls silent midway', (at) => at === size / 2],
  ['ends midway', (at) => at === size / 2],
  ['resets midway', (at) => at <= size / 2],
  ['sends fewer bytes, and ends well', (at) => at === size / 2],
  ['sends junk behind the end', (at) => at > 0],
  ['trickles from the middle on', (at) => at >= size / 2],
]

describe('a host that breaks midway: the next one goes on from the byte that was reached', () => {
  test.each(goesOn)('it %s', async (name, isRight) => {
    near.how = brokenBodies[name]!
    const fixture = await open({ streams: { leastBytes: 1_000 } })
    const answer = await ask(fixture)
    expect(answer.status).toBe(200)
    expect((await bodyOf(answer)).equals(layer)).toBe(true)
    expect(far.ranges).toHaveLength(1)
    const [first, last] = far.ranges[0]!.split('-').map(Number)
    expect([isRight(first!), last]).toEqual([true, size - 1])
    expect(kindsOf(fixture)[0]).toBe('probe-failed 1')
    expect(fixture.front.counters.streamSwitches).toBeGreaterThanOrEqual(1)
  })

  test.each(Object.entries(brokenBodies))('and the origin goes on where all hosts break: each %s', async (_, how) => {
    near.how = how
    far.how = how
    const fixture = await open()
    expect((await bodyOf(await ask(fixture))).equals(layer)).toBe(true)
    expect(fixture.front.counters.streamsFromOrigin).toBe(1)
  })

  test('the origin is asked over the network where the bytes do not lie here', async () => {
    near.how = brokenBodies['ends midway']!
    far.how = brokenBodies['resets midway']!
    const fixture = await open({ options: { originUrl: origin.url }, parts: { openBlob: undefined } })
    expect((await bodyOf(await ask(fixture))).equals(layer)).toBe(true)
    expect(origin.ranges).toHaveLength(1)
    expect(origin.heads[0]).toMatch(/^GET \/blobs\/\S+\?t=\S+ HTTP/)
  })

  test('a client is cut when nobody is left', async () => {
    for (const host of [near, far, origin]) host.how = brokenBodies['ends midway']!
    const fixture = await open({ options: { originUrl: origin.url }, parts: { openBlob: undefined } })
    const got = await bytesBeforeCut(await ask(fixture))
    expect(got.length).toBeLessThanOrEqual(size / 2 + 3)
    expect(layer.subarray(0, got.length).equals(got)).toBe(true)
    expect(fixture.front.counters.streamsCut).toBe(1)
    expect(fixture.front.streams.running).toBe(0)
  })
})

describe('when no host begins', () => {
  test('the answer is the ordinary one of the origin', async () => {
    near.how = far.how = brokenHeads['answers 500']!
    const here = await open()
    const answer = await ask(here)
    expect((await bodyOf(answer)).equals(layer)).toBe(true)
    expect(here.front.counters).toMatchObject({ streams: 0, originNotProven: 1, localBytes: size })
    const elsewhere = await open({ options: { originUrl: 'https://origin.example' }, parts: { openBlob: undefined } })
    expect((await ask(elsewhere)).headers.location).toStartWith('https://origin.example/blobs/')
  })

  test('and so it is when none suits', async () => {
    const fixture = await open()
    fixture.fleet([], {}, fixture.clock.nowMs + 1)
    expect((await bodyOf(await ask(fixture))).equals(layer)).toBe(true)
    expect(fixture.front.counters).toMatchObject({ streams: 0, originNoHost: 1 })
  })
})

describe('wrong bytes', () => {
  test('among those that are held back are read again from another, and their host is known', async () => {
    near.how = wrongAt(-1)
    const fixture = await open()
    expect((await bodyOf(await ask(fixture))).equals(layer)).toBe(true)
    expect(far.ranges).toHaveLength(1)
    expect(Number(far.ranges[0]!.split('-')[0])).toBeGreaterThanOrEqual(size - 2 * 65_536 - 65_536)
    expect(fixture.evidence).toMatchObject([{ kind: 'wrong-bytes', hostId: 1, isSure: true }])
    expect(fixture.front.counters).toMatchObject({ streamsWrong: 1, streamsCut: 0 })
  })

  test('of a blob that is held back whole are never seen', async () => {
    near.how = wrongAt(0)
    far.how = wrongAt(1000)
    const fixture = await open({ streams: { holdBackBytes: 1 << 20 } })
    expect((await bodyOf(await ask(fixture))).equals(layer)).toBe(true)
    expect([near.ranges, far.ranges]).toEqual([[whole], [whole]])
    expect(kindsOf(fixture)).toEqual(['wrong-bytes 1', 'wrong-bytes 2'])
  })

  test('that were sent are cut before they are a whole layer; the next ask goes elsewhere', async () => {
    near.how = wrongAt(0)
    const fixture = await open()
    const got = await bytesBeforeCut(await ask(fixture))
    expect(got.length).toBeLessThanOrEqual(size - 65_536)
    expect(got.length).toBeGreaterThan(0)
    // The end of the origin did not mend it, so it was the one that had sent the beginning.
    expect(fixture.evidence.filter(({ kind }) => kind === 'wrong-bytes')).toMatchObject([{ hostId: 1, isSure: true }])
    near.ranges.length = 0
    expect((await bodyOf(await ask(fixture))).equals(layer)).toBe(true)
    expect(near.ranges).toEqual([])
  })

  test('everywhere but at the origin: cut once, and then the origin', async () => {
    near.how = far.how = wrongAt(0, -1)
    const fixture = await open()
    await bytesBeforeCut(await ask(fixture))
    // The other one was asked for the end alone, which was wrong as well.
    expect(fixture.evidence).toMatchObject([
      { hostId: 1, isSure: true },
      { hostId: 2, isSure: true },
    ])
    expect((await bodyOf(await ask(fixture))).equals(layer)).toBe(true)
  })

  test('of two hosts that took part, both are in doubt when it is not known which', async () => {
    near.how = wrongAndEnds(10_000, 0)
    const fixture = await open()
    await bytesBeforeCut(await ask(fixture))
    const wrong = fixture.evidence.filter(({ kind }) => kind === 'wrong-bytes')
    expect(wrong).toMatchObject([
      { hostId: 1, isSure: false, reason: 'it or another of 2 hosts sent wrong bytes' },
      { hostId: 2, isSure: false },
    ])
  })

  test('and who asks for the rest of them gets the whole, which is right', async () => {
    near.how = wrongAt(0)
    const fixture = await open()
    const got = await bytesBeforeCut(await ask(fixture))
    const again = await ask(fixture, { range: `bytes=${got.length}-` })
    expect(again.status).toBe(200)
    expect((await bodyOf(again)).equals(layer)).toBe(true)
    const other = await ask(fixture, { range: `bytes=${got.length}-`, 'x-forwarded-for': '203.0.113.9' })
    expect(other.status).toBe(206)
  })
})

describe('a range', () => {
  test('that is the whole is streamed', async () => {
    const fixture = await open()
    for (const range of ['bytes=0-', `bytes=0-${size - 1}`]) {
      const answer = await ask(fixture, { range })
      expect(answer).toMatchObject({ status: 206, body: { sizeBytes: size } })
      expect(answer.headers['content-range']).toBe(`bytes 0-${size - 1}/${size}`)
      expect((await bodyOf(answer)).equals(layer)).toBe(true)
    }
    expect(near.ranges).toEqual([whole, whole])
  })

  test('that is two parts, or not ours, is answered whole', async () => {
    const fixture = await open()
    for (const headers of [{ range: 'bytes=0-9,20-29' }, { range: 'bytes=9-', 'if-range': '"other"' }]) {
      const answer = await ask(fixture, headers)
      expect(answer.status).toBe(200)
      expect((await bodyOf(answer)).equals(layer)).toBe(true)
    }
  })

  test.each(['bytes=1000-', 'bytes=5-9', 'bytes=-10', `bytes=${1024 * 100}-`])(
    '%s comes from the origin: it cannot be checked',
    async (range) => {
      const here = await open()
      const answer = await ask(here, { range })
      expect(answer.status).toBe(206)
      const [, first, last] = /^bytes (\d+)-(\d+)\//.exec(`${answer.headers['content-range']}`)!
      expect((await bodyOf(answer)).equals(layer.subarray(Number(first), Number(last) + 1))).toBe(true)
      const elsewhere = await open({ options: { originUrl: 'https://origin.example' }, parts: { openBlob: undefined } })
      expect((await ask(elsewhere, { range })).headers.location).toStartWith('https://origin.example/')
      expect(near.ranges).toEqual([])
      expect(here.front.counters.originByPolicy).toBe(1)
    },
  )

  test('outside the blob is refused', async () => {
    expect((await ask(await open(), { range: `bytes=${size}-` })).status).toBe(416)
  })
})

describe('the policy', () => {
  test('origin: never to a host', async () => {
    const fixture = await open({ options: { clientRules: [{ product: 'oras', kind: 'fragile', mode: 'origin' }] } })
    expect((await ask(fixture, { 'user-agent': 'oras/1.3.3' })).status).toBe(200)
    expect(fixture.front.counters).toMatchObject({ originByPolicy: 1, redirects: 0 })
    expect((await ask(fixture, { 'user-agent': 'docker/28.5.2' })).status).toBe(307)
  })

  const crane = { 'user-agent': 'go-containerregistry/v0.20.7' }
  test('a fragile client whose blob no gold host holds: the origin, or by option a stream from others', async () => {
    const rules = { options: { clientRules: [{ product: 'go-containerregistry', kind: 'fragile' as const }] } }
    const plain = await open({ ...rules, grade: 'proven' })
    expect((await bodyOf(await ask(plain, crane))).equals(layer)).toBe(true)
    expect([plain.front.counters.originNoHost, near.ranges]).toEqual([1, []])
    const streaming = await open({ ...rules, grade: 'proven', streams: { isForFragile: true } })
    expect((await bodyOf(await ask(streaming, crane))).equals(layer)).toBe(true)
    expect([streaming.front.counters.streams, near.ranges]).toEqual([1, [whole]])
    const gold = await open({ ...rules, streams: { isForFragile: true } })
    expect((await ask(gold, crane)).status).toBe(307)
  })
})

describe('the budget', () => {
  test('of streams: one more gets the ordinary decision', async () => {
    const fixture = await open({ streams: { transfers: 1 } })
    const first = await ask(fixture)
    expect((await ask(fixture)).status).toBe(307)
    await bodyOf(first)
    expect((await ask(fixture)).status).toBe(200)
    expect(fixture.front.counters.streamsOverBudget).toBe(1)
  })

  test('of bytes: what was not sent comes back', async () => {
    const fixture = await open({ streams: { bytesPerSecond: size } })
    const first = await ask(fixture)
    expect((await ask(fixture)).status).toBe(307)
    await (first.body as AsyncDisposable)[Symbol.asyncDispose]()
    const second = await ask(fixture)
    expect(second.status).toBe(200)
    await bodyOf(second)
    expect((await ask(fixture)).status).toBe(307)
    fixture.clock.nowMs += 1_000
    expect((await ask(fixture)).status).toBe(200)
  })
})

test('a client that hangs up while the head is waited for breaks the reading off', async () => {
  near.how = far.how = brokenHeads['never answers']!
  const fixture = await open({ streams: { firstByteMs: 60_000 }, parts: { openBlob: openBlobIn() } })
  const client = new AbortController()
  const before = near.openSockets
  const asked = { ...makeAsk(`/v2/fedora/base/blobs/${digest}`, { 'x-forwarded-for': ip }), gone: client.signal }
  const answer = answerFront(asked, fixture.front)
  while (near.ranges.length === 0) await new Promise((resolve) => setImmediate(resolve))
  client.abort()
  await answer
  expect(far.ranges).toEqual([])
  expect([fixture.front.streams.running, kindsOf(fixture)]).toEqual([0, []])
  expect(near.openSockets).toBeLessThanOrEqual(before + 1)
})
