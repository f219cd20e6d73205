// Wrong bytes: what is held back is mended, what was sent is cut off before it is a whole layer, and who lied is known as far as can be.
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'bun:test'
import type { StoredBody } from '#http/answer.ts'
import { type BreakingHost, wrongAndEnds, wrongAt } from '../../../test/kit/breaking-host.ts'
import { bodyOf, digestOf, type FrontFixture, layer } from '../../../test/kit/front-door.ts'
import { askForLayer, kindsOf, readToCut, type StreamHosts, startStreamHosts } from '../../../test/kit/stream-front.ts'
import { StreamedBlob } from './streamed-blob.ts'

let hosts: StreamHosts
let near: BreakingHost
let far: BreakingHost
beforeAll(async () => {
  hosts = await startStreamHosts()
  ;({ near, far } = hosts)
})
afterAll(() => hosts[Symbol.asyncDispose]())
beforeEach(() => hosts.reset())

const size = layer.length
const whole = `0-${size - 1}`

describe('wrong bytes', () => {
  test('among those that are held back are read again from another, and their host is known', async () => {
    near.how = wrongAt(-1)
    const fixture = await hosts.open()
    expect((await bodyOf(await askForLayer(fixture))).equals(layer)).toBe(true)
    expect(far.ranges).toHaveLength(1)
    expect(Number(far.ranges[0]!.split('-')[0])).toBeGreaterThanOrEqual(size - 2 * 65_536 - 65_536)
    expect(fixture.evidence).toMatchObject([{ kind: 'wrong-bytes', hostId: 1, isSure: true }])
    expect(fixture.front.counters).toMatchObject({ streamsWrong: 1, streamsCut: 0 })
  })

  test('of a blob that is held back whole are never seen', async () => {
    near.how = wrongAt(0)
    far.how = wrongAt(1000)
    const fixture = await hosts.open({ streams: { holdBackBytes: 1 << 20 } })
    expect((await bodyOf(await askForLayer(fixture))).equals(layer)).toBe(true)
    expect([near.ranges, far.ranges]).toEqual([[whole], [whole]])
    expect(kindsOf(fixture)).toEqual(['wrong-bytes 1', 'wrong-bytes 2'])
  })

  test('that were sent are cut before they are a whole layer; the next ask goes elsewhere', async () => {
    near.how = wrongAt(0)
    const fixture = await hosts.open()
    const got = await readToCut(await askForLayer(fixture))
    expect(got.length).toBeLessThanOrEqual(size - 65_536)
    expect(got.length).toBeGreaterThan(0)
    // The end of the origin did not mend it, so it was the one that had sent the beginning.
    expect(fixture.evidence.filter(({ kind }) => kind === 'wrong-bytes')).toMatchObject([{ hostId: 1, isSure: true }])
    near.ranges.length = 0
    expect((await bodyOf(await askForLayer(fixture))).equals(layer)).toBe(true)
    expect(near.ranges).toEqual([])
  })

  test('are never a whole layer, even where nothing is to be held back', async () => {
    near.how = far.how = wrongAt(0, -1)
    const fixture = await hosts.open({ streams: { holdBackBytes: 0 } })
    expect((await readToCut(await askForLayer(fixture))).length).toBeLessThan(size)
  })

  test('everywhere but at the origin: cut once, and then the origin', async () => {
    near.how = far.how = wrongAt(0, -1)
    const fixture = await hosts.open()
    await readToCut(await askForLayer(fixture))
    // The other one was asked for the end alone, which was wrong as well.
    expect(fixture.evidence).toMatchObject([
      { hostId: 1, isSure: true },
      { hostId: 2, isSure: true },
    ])
    expect((await bodyOf(await askForLayer(fixture))).equals(layer)).toBe(true)
  })

  test('of two hosts that took part, both are in doubt when it is not known which', async () => {
    near.how = wrongAndEnds(10_000, 0)
    const fixture = await hosts.open()
    await readToCut(await askForLayer(fixture))
    const wrong = fixture.evidence.filter(({ kind }) => kind === 'wrong-bytes')
    expect(wrong).toMatchObject([
      { hostId: 1, isSure: false, reason: 'it or another of 2 hosts sent wrong bytes' },
      { hostId: 2, isSure: false },
    ])
  })

  test('and who asks for the rest of them gets the whole, which is right', async () => {
    near.how = wrongAt(0)
    const fixture = await hosts.open()
    const got = await readToCut(await askForLayer(fixture))
    const again = await askForLayer(fixture, { range: `bytes=${got.length}-` })
    expect(again.status).toBe(200)
    expect((await bodyOf(again)).equals(layer)).toBe(true)
    const other = await askForLayer(fixture, { range: `bytes=${got.length}-`, 'x-forwarded-for': '203.0.113.9' })
    expect(other.status).toBe(206)
  })
})

test('a stream that breaks before it begins has ended, whatever broke', async () => {
  const ends: string[] = []
  const none = () => undefined
  const streamed = new StreamedBlob({
    blob: { digest: digestOf(layer), sizeBytes: size },
    sources: [{ host: undefined, open: () => Promise.reject(new Error('a bug')) }],
    lastly: [],
    holdBackBytes: 1,
    wholeMs: 0,
    watch: {
      failed: none,
      opened: none,
      read: none,
      wrong: none,
      ended: (sentBytes, fate) => ends.push(`${sentBytes} ${fate}`),
    },
  })
  await expect(streamed.start()).rejects.toThrow('a bug')
  expect(ends).toEqual(['0 unbegun'])
})

describe('a layer that waits whole', () => {
  const waiting = { wholeBytes: size, wholeMemoryBytes: size }

  test('is read again from the next until it is right, and the client sees nothing of that', async () => {
    near.how = wrongAt(0)
    far.how = wrongAt(1000)
    const fixture = await hosts.open({ streams: waiting })
    const answer = await askForLayer(fixture)
    expect(fixture.front.streams.heldBytes).toBe(size)
    expect((await bodyOf(answer)).equals(layer)).toBe(true)
    expect([near.ranges, far.ranges]).toEqual([[whole], [whole]])
    expect(fixture.evidence).toMatchObject([
      { kind: 'wrong-bytes', hostId: 1, isSure: true },
      { kind: 'wrong-bytes', hostId: 2, isSure: true },
    ])
    expect(fixture.front.counters).toMatchObject({
      streamsWrong: 1,
      streamsCut: 0,
      streamHostBytes: 2 * size,
      streamOriginBytes: size,
    })
    expect(fixture.front.streams.heldBytes).toBe(0)
  })

  async function isCutOnWrongBytes(fixture: FrontFixture): Promise<boolean> {
    near.how = wrongAt(0)
    return (await readToCut(await askForLayer(fixture))).length > 0
  }

  test('has a limit of size', async () => {
    const fixture = await hosts.open({ streams: { ...waiting, wholeBytes: size - 1 } })
    expect(await isCutOnWrongBytes(fixture)).toBe(true)
  })

  test('needs room in memory, which comes back however the other one ends', async () => {
    const fixture = await hosts.open({ streams: waiting })
    const first = await askForLayer(fixture)
    expect(await isCutOnWrongBytes(fixture)).toBe(true)
    expect(fixture.front.streams.heldBytes).toBe(size)
    await (first.body as StoredBody)[Symbol.asyncDispose]()
    expect(fixture.front.streams.heldBytes).toBe(0)
  })

  test('does not wait for ever: behind the limit it is sent as it comes', async () => {
    const fixture = await hosts.open({ streams: { ...waiting, wholeMs: 0 } })
    expect(await isCutOnWrongBytes(fixture)).toBe(true)
  })
})
