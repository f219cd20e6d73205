// Stream mode against real hosts that break in every way that was seen: what the client gets, and what is learned of the hosts. What
// comes of wrong bytes is in streamed-blob.test.ts.
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'bun:test'
import { type BreakingHost, brokenBodies, brokenHeads, startBreakingHost } from '../../../test/kit/breaking-host.ts'
import { bodyOf, digestOf, layer, makeAsk, openBlobIn, placed } from '../../../test/kit/front-door.ts'
import {
  askForLayer,
  kindsOf,
  nearNetwork,
  readToCut,
  type StreamHosts,
  startStreamHosts,
} from '../../../test/kit/stream-front.ts'
import { answerFront } from './answer-front.ts'

let hosts: StreamHosts
let near: BreakingHost
let far: BreakingHost
let origin: BreakingHost
beforeAll(async () => {
  hosts = await startStreamHosts()
  ;({ near, far, origin } = hosts)
})
afterAll(() => hosts[Symbol.asyncDispose]())
beforeEach(() => hosts.reset())

const digest = digestOf(layer)
const size = layer.length
const whole = `0-${size - 1}`

describe('a good host', () => {
  test('is read for the client: one answer with a length, headers of ours, and nothing left running', async () => {
    const fixture = await hosts.open()
    const answer = await askForLayer(fixture, { 'user-agent': 'oras/1.3.3' })
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
    const fixture = await hosts.open()
    const before = near.openSockets
    for (let i = 0; i < 6; i++) await bodyOf(await askForLayer(fixture))
    expect(near.ranges).toHaveLength(6)
    expect(near.openSockets - before).toBeLessThanOrEqual(2)
  })

  test('is not needed for what is told from the snapshot', async () => {
    const fixture = await hosts.open()
    expect((await askForLayer(fixture, { 'if-none-match': `"${digest}"` })).status).toBe(304)
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
    const fixture = await hosts.open()
    const answer = await askForLayer(fixture)
    expect(answer.status).toBe(200)
    expect((await bodyOf(answer)).equals(layer)).toBe(true)
    expect([near.ranges.length > 0, far.ranges]).toEqual([true, [whole]])
    expect(kindsOf(fixture)).toEqual(['probe-failed 1'])
    // Known from then on: nobody meets it again for a while.
    near.ranges.length = 0
    expect((await bodyOf(await askForLayer(fixture))).equals(layer)).toBe(true)
    expect(near.ranges).toEqual([])
  })

  test('it refuses', async () => {
    const fixture = await hosts.open()
    const placedHosts = [placed(1, await refusedPort(), { netblocks: [nearNetwork] }), placed(2, far.url)]
    fixture.fleet(placedHosts, {}, fixture.clock.nowMs + 1)
    expect((await bodyOf(await askForLayer(fixture))).equals(layer)).toBe(true)
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
    const fixture = await hosts.open({ streams: { leastBytes: 1_000 } })
    const answer = await askForLayer(fixture)
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
    const fixture = await hosts.open()
    expect((await bodyOf(await askForLayer(fixture))).equals(layer)).toBe(true)
    expect(fixture.front.counters.streamsFromOrigin).toBe(1)
  })

  test('the origin is asked over the network where the bytes do not lie here', async () => {
    near.how = brokenBodies['ends midway']!
    far.how = brokenBodies['resets midway']!
    const fixture = await hosts.open({ options: { originUrl: origin.url }, parts: { openBlob: undefined } })
    expect((await bodyOf(await askForLayer(fixture))).equals(layer)).toBe(true)
    expect(origin.ranges).toHaveLength(1)
    expect(origin.heads[0]).toMatch(/^GET \/blobs\/\S+\?t=\S+ HTTP/)
  })

  test('a client is cut when nobody is left', async () => {
    for (const host of [near, far, origin]) host.how = brokenBodies['ends midway']!
    const fixture = await hosts.open({ options: { originUrl: origin.url }, parts: { openBlob: undefined } })
    const got = await readToCut(await askForLayer(fixture))
    expect(got.length).toBeLessThanOrEqual(size / 2 + 3)
    expect(layer.subarray(0, got.length).equals(got)).toBe(true)
    expect(fixture.front.counters.streamsCut).toBe(1)
    expect(fixture.front.streams.running).toBe(0)
  })
})

describe('when no host begins', () => {
  test('the answer is the ordinary one of the origin', async () => {
    near.how = far.how = brokenHeads['answers 500']!
    const here = await hosts.open()
    const answer = await askForLayer(here)
    expect((await bodyOf(answer)).equals(layer)).toBe(true)
    expect(here.front.counters).toMatchObject({ streams: 0, originNotProven: 1, localBytes: size })
    const elsewhere = await hosts.open({
      options: { originUrl: 'https://origin.example' },
      parts: { openBlob: undefined },
    })
    expect((await askForLayer(elsewhere)).headers.location).toStartWith('https://origin.example/blobs/')
  })

  test('and so it is when none suits', async () => {
    const fixture = await hosts.open()
    fixture.fleet([], {}, fixture.clock.nowMs + 1)
    expect((await bodyOf(await askForLayer(fixture))).equals(layer)).toBe(true)
    expect(fixture.front.counters).toMatchObject({ streams: 0, originNoHost: 1 })
  })
})

describe('a range', () => {
  test('that is the whole is streamed', async () => {
    const fixture = await hosts.open()
    for (const range of ['bytes=0-', `bytes=0-${size - 1}`]) {
      const answer = await askForLayer(fixture, { range })
      expect(answer).toMatchObject({ status: 206, body: { sizeBytes: size } })
      expect(answer.headers['content-range']).toBe(`bytes 0-${size - 1}/${size}`)
      expect((await bodyOf(answer)).equals(layer)).toBe(true)
    }
    expect(near.ranges).toEqual([whole, whole])
  })

  test('that is two parts, or not ours, is answered whole', async () => {
    const fixture = await hosts.open()
    for (const headers of [{ range: 'bytes=0-9,20-29' }, { range: 'bytes=9-', 'if-range': '"other"' }]) {
      const answer = await askForLayer(fixture, headers)
      expect(answer.status).toBe(200)
      expect((await bodyOf(answer)).equals(layer)).toBe(true)
    }
  })

  test.each(['bytes=1000-', 'bytes=5-9', 'bytes=-10', `bytes=${1024 * 100}-`])(
    '%s comes from the origin: it cannot be checked',
    async (range) => {
      const here = await hosts.open()
      const answer = await askForLayer(here, { range })
      expect(answer.status).toBe(206)
      const [, first, last] = /^bytes (\d+)-(\d+)\//.exec(`${answer.headers['content-range']}`)!
      expect((await bodyOf(answer)).equals(layer.subarray(Number(first), Number(last) + 1))).toBe(true)
      const elsewhere = await hosts.open({
        options: { originUrl: 'https://origin.example' },
        parts: { openBlob: undefined },
      })
      expect((await askForLayer(elsewhere, { range })).headers.location).toStartWith('https://origin.example/')
      expect(near.ranges).toEqual([])
      expect(here.front.counters.originByPolicy).toBe(1)
    },
  )

  test('outside the blob is refused', async () => {
    expect((await askForLayer(await hosts.open(), { range: `bytes=${size}-` })).status).toBe(416)
  })
})

describe('the policy', () => {
  test('origin: never to a host', async () => {
    const fixture = await hosts.open({
      options: { clientRules: [{ product: 'oras', kind: 'fragile', mode: 'origin' }] },
    })
    expect((await askForLayer(fixture, { 'user-agent': 'oras/1.3.3' })).status).toBe(200)
    expect(fixture.front.counters).toMatchObject({ originByPolicy: 1, redirects: 0 })
    expect((await askForLayer(fixture, { 'user-agent': 'docker/28.5.2' })).status).toBe(307)
  })

  const crane = { 'user-agent': 'go-containerregistry/v0.20.7' }
  test('a fragile client whose blob no gold host holds: the origin, or by option a stream from others', async () => {
    const rules = { options: { clientRules: [{ product: 'go-containerregistry', kind: 'fragile' as const }] } }
    const plain = await hosts.open({ ...rules, grade: 'proven' })
    expect((await bodyOf(await askForLayer(plain, crane))).equals(layer)).toBe(true)
    expect([plain.front.counters.originNoHost, near.ranges]).toEqual([1, []])
    const streaming = await hosts.open({ ...rules, grade: 'proven', streams: { isForFragile: true } })
    expect((await bodyOf(await askForLayer(streaming, crane))).equals(layer)).toBe(true)
    expect([streaming.front.counters.streams, near.ranges]).toEqual([1, [whole]])
    const gold = await hosts.open({ ...rules, streams: { isForFragile: true } })
    expect((await askForLayer(gold, crane)).status).toBe(307)
  })
})

describe('the budget', () => {
  test('of streams: one more gets the ordinary decision', async () => {
    const fixture = await hosts.open({ streams: { transfers: 1 } })
    const first = await askForLayer(fixture)
    expect((await askForLayer(fixture)).status).toBe(307)
    await bodyOf(first)
    expect((await askForLayer(fixture)).status).toBe(200)
    expect(fixture.front.counters.streamsOverBudget).toBe(1)
  })

  test('of bytes: what was not sent comes back', async () => {
    const fixture = await hosts.open({ streams: { bytesPerSecond: size } })
    const first = await askForLayer(fixture)
    expect((await askForLayer(fixture)).status).toBe(307)
    await (first.body as AsyncDisposable)[Symbol.asyncDispose]()
    const second = await askForLayer(fixture)
    expect(second.status).toBe(200)
    await bodyOf(second)
    expect((await askForLayer(fixture)).status).toBe(307)
    fixture.clock.nowMs += 1_000
    expect((await askForLayer(fixture)).status).toBe(200)
  })
})

test('a client that hangs up while the head is waited for breaks the reading off', async () => {
  near.how = far.how = brokenHeads['never answers']!
  const fixture = await hosts.open({ streams: { firstByteMs: 60_000 }, parts: { openBlob: openBlobIn() } })
  const client = new AbortController()
  const before = near.openSockets
  const asked = {
    ...makeAsk(`/v2/fedora/base/blobs/${digest}`, { 'x-forwarded-for': '192.0.2.7' }),
    gone: client.signal,
  }
  const answer = answerFront(asked, fixture.front)
  while (near.ranges.length === 0) await new Promise((resolve) => setImmediate(resolve))
  client.abort()
  await answer
  expect(far.ranges).toEqual([])
  expect([fixture.front.streams.running, kindsOf(fixture)]).toEqual([0, []])
  expect(near.openSockets).toBeLessThanOrEqual(before + 1)
})
