// One probe against a real host that fails in one way, and what it closes.
import { afterEach, beforeEach, describe, expect, test } from 'bun:test'
import { gzipSync } from 'node:zlib'
import { OutboundClient } from '#http/outbound/outbound-client.ts'
import {
  digestOf,
  type Fault,
  type FaultyHost,
  goodHost,
  layer,
  openBlobIn,
  placed,
  startHost,
} from '../../../test/kit/front-door.ts'
import { makeCounters } from './counters.ts'
import type { Evidence } from './evidence.ts'
import { proofLimitDefaults } from './proof-limits.ts'
import { type Pairing, Proofs } from './proofs.ts'

let host: FaultyHost
let outbound: OutboundClient
let evidence: Evidence[]
let nowMs = 1_000_000
beforeEach(async () => {
  host = await startHost()
  outbound = new OutboundClient({ allowPrivate: true, userAgent: 'test' })
  evidence = []
})
afterEach(async () => {
  await outbound[Symbol.asyncDispose]()
  await host.stop()
})

const blob = { digest: digestOf(layer), sizeBytes: layer.length }
const other = { digest: digestOf('another'), sizeBytes: 1000 }
const ask = { userAgent: 'docker/28', query: '', timeoutMs: 300 }
const about = { isTrusted: true, sinceMs: 0 }

function proofs(limits = {}, openBlob: ReturnType<typeof openBlobIn> | null = openBlobIn()) {
  const counters = makeCounters()
  const tell = { report: (one: Evidence) => evidence.push(one), counters, now: () => nowMs }
  const made = new Proofs(
    { outbound, openBlob: openBlob ?? undefined, random: Math.random },
    { ...proofLimitDefaults, ...limits },
    tell,
  )
  return Object.assign(made, { counters })
}
const pairing = (more: Partial<Pairing> = {}): Pairing => ({
  candidate: { host: placed(1, host.url), url: host.url },
  blob,
  family: 4,
  prefixKey: 1,
  ...more,
})

const range = (first: number, last: number, size: number) => ({ 'content-range': `bytes ${first}-${last}/${size}` })
const faults: [string, Fault, boolean, RegExp][] = [
  ['404', ({ response }) => response.writeHead(404).end(), false, /404/],
  ['410', ({ response }) => response.writeHead(410).end(), false, /410/],
  ['403', ({ response }) => response.writeHead(403).end(), false, /403/],
  ['429', ({ response }) => response.writeHead(429).end(), true, /429/],
  ['500', ({ response }) => response.writeHead(500).end(), true, /500/],
  ['503', ({ response }) => response.writeHead(503).end('<html>'), true, /503/],
  ['a redirect', ({ response }) => response.writeHead(307, { location: host.url }).end(), false, /307/],
  ['the whole file', ({ response, bytes }) => response.writeHead(200).end(bytes), true, /ignored the range/],
  ['a captive portal', ({ response }) => response.writeHead(200).end('<html>pay here'), true, /ignored the range/],
  ['an empty 200', ({ response }) => response.writeHead(200).end(), true, /ignored the range/],
  ['416', ({ response }) => response.writeHead(416).end(), false, /416/],
  ['closes', ({ request }) => request.socket.destroy(), true, /./],
  ['never answers', () => undefined, true, /./],
  [
    'headers and then silence',
    ({ response, bytes, first, last }) => {
      response.writeHead(206, { ...range(first, last, bytes.length), 'content-length': '256' })
      response.write(bytes.subarray(first, first + 10))
    },
    true,
    /./,
  ],
  [
    'a cut body',
    ({ response, bytes, first, last }) => {
      response.writeHead(206, { ...range(first, last, bytes.length), 'content-length': '256' })
      response.write(bytes.subarray(first, first + 10), () => response.destroy())
    },
    true,
    /./,
  ],
  [
    'a short body',
    ({ response, bytes, first, last }) => {
      response.writeHead(206, range(first, last, bytes.length)).end(bytes.subarray(first, last))
    },
    true,
    /255 of the 256/,
  ],
  [
    'a long body',
    ({ response, bytes, first, last }) => {
      const surplus = Buffer.concat([bytes.subarray(first, last + 1), Buffer.from('x')])
      response.writeHead(206, { ...range(first, last, bytes.length), 'content-length': '257' }).end(surplus)
    },
    true,
    /257 of the 256/,
  ],
  [
    'a long body of unsaid length',
    ({ response, bytes, first, last }) => {
      const surplus = Buffer.concat([bytes.subarray(first, last + 1), Buffer.from('x')])
      response.writeHead(206, range(first, last, bytes.length)).end(surplus)
    },
    true,
    /more than 256/,
  ],
  [
    'no Content-Range',
    ({ response, bytes, first, last }) => {
      response.writeHead(206).end(bytes.subarray(first, last + 1))
    },
    false,
    /without saying/,
  ],
  [
    'another range',
    ({ response, bytes, first, last }) => {
      response.writeHead(206, range(first + 1, last + 1, bytes.length)).end(bytes.subarray(first, last + 1))
    },
    false,
    /range/,
  ],
  [
    'another size',
    ({ response, bytes, first, last }) => {
      response.writeHead(206, range(first, last, bytes.length - 5)).end(bytes.subarray(first, last + 1))
    },
    false,
    /range/,
  ],
  [
    'gzip',
    ({ response, bytes, first, last }) => {
      response.writeHead(206, { ...range(first, last, bytes.length), 'content-encoding': 'gzip' })
      response.end(gzipSync(bytes.subarray(first, last + 1)))
    },
    true,
    /gzip/,
  ],
  [
    'x-gzip',
    ({ response, bytes, first, last }) => {
      response.writeHead(206, { ...range(first, last, bytes.length), 'content-encoding': 'x-gzip' })
      response.end(bytes.subarray(first, last + 1))
    },
    true,
    /x-gzip/,
  ],
]

describe('a host that answers with', () => {
  test.each(faults)('%s fails', async (_, fault, isHostWide, reason) => {
    host.fault = fault
    const known = proofs()
    expect(await known.prove(pairing(), ask)).toBe(false)
    expect(evidence).toEqual([
      {
        kind: 'probe-failed',
        hostId: 1,
        digest: blob.digest,
        atMs: nowMs,
        reason: expect.stringMatching(reason) as never,
        isHostWide,
      },
    ])
    expect(known.stateOf(pairing(), { ...about, nowMs })).toBe('bad')
    expect(known.stateOf(pairing({ blob: other }), { ...about, nowMs })).toBe(isHostWide ? 'bad' : 'unproven')
    expect(known.stateOf(pairing({ family: 6 }), { ...about, nowMs })).toBe('proven')
  })

  test('nothing, because it is not there, fails', async () => {
    await host.stop()
    const known = proofs()
    expect(await known.prove(pairing(), ask)).toBe(false)
    expect(known.stateOf(pairing({ blob: other }), { ...about, nowMs })).toBe('bad')
    host = await startHost()
  })

  test('the right block passes, and is asked for as a client would', async () => {
    const known = proofs()
    expect(await known.prove(pairing(), { ...ask, query: '?t=x' })).toBe(true)
    expect(evidence).toEqual([])
    expect(host.requests[0]).toMatch(/\?t=x docker\/28$/)
    expect(known.stateOf(pairing(), { isTrusted: false, sinceMs: 0, nowMs })).toBe('proven')
    expect(known.stateOf(pairing(), { isTrusted: false, sinceMs: nowMs + 1, nowMs })).toBe('unproven')
    expect(known.stateOf(pairing(), { isTrusted: false, sinceMs: 0, nowMs: nowMs + 60_000 })).toBe('unproven')
    expect(known.stateOf(pairing(), { isTrusted: true, sinceMs: 0, nowMs: nowMs + 60_000 })).toBe('proven')
  })

  test.each<[string, ReturnType<typeof openBlobIn>]>([
    ['cannot be opened', () => Promise.reject(new Error('the disk is gone'))],
    [
      'break while they are read',
      async () => ({
        sizeBytes: 256,
        file: undefined,
        stream: () => new ReadableStream({ pull: (controller) => controller.error(new Error('the disk is gone')) }),
        [Symbol.asyncDispose]: async () => undefined,
      }),
    ],
  ])('the right block passes though our own bytes %s', async (_, openBlob) => {
    expect(await proofs({}, openBlob).prove(pairing(), ask)).toBe(true)
  })

  test('other bytes passes where we have none to compare with', async () => {
    host.fault = ({ response, bytes, first, last }) => {
      response.writeHead(206, range(first, last, bytes.length)).end(Buffer.alloc(last - first + 1))
    }
    const known = proofs({}, null)
    expect(await known.prove(pairing(), ask)).toBe(true)
    expect(known.counters.probesNotCompared).toBe(1)
  })
})

describe('what is known', () => {
  test('closes for twice as long each time in a row, up to a bound, and a pass forgives all', async () => {
    const known = proofs()
    host.fault = ({ response }) => response.writeHead(500).end()
    for (const ms of [30_000, 60_000, 120_000, 240_000, 480_000, 600_000, 600_000]) {
      await known.prove(pairing(), ask)
      expect(known.stateOf(pairing(), { ...about, nowMs: nowMs + ms - 1 })).toBe('bad')
      // In doubt, though the snapshots trust it: our own eyes saw it fail.
      expect(known.stateOf(pairing(), { ...about, nowMs: nowMs + ms })).toBe('unproven')
      nowMs += ms
    }
    host.fault = goodHost
    expect(await known.prove(pairing(), ask)).toBe(true)
    expect(known.stateOf(pairing(), { ...about, nowMs })).toBe('proven')
    expect(known.stateOf(pairing({ blob: other }), { ...about, nowMs })).toBe('proven')
  })

  test('doubt lasts until a probe has passed, and is not raised by echoes of one', async () => {
    const known = proofs()
    expect(known.doubt(pairing(), nowMs)).toBe(true)
    expect(known.stateOf(pairing(), { ...about, nowMs })).toBe('unproven')
    expect(known.stateOf(pairing({ blob: other }), { ...about, nowMs })).toBe('proven')
    nowMs += 10
    await known.prove(pairing(), ask)
    expect(known.stateOf(pairing(), { ...about, nowMs })).toBe('proven')
    expect(evidence.map(({ kind }) => kind)).toEqual(['probe-passed'])
    expect(known.doubt(pairing(), nowMs + 1999)).toBe(false)
    expect(known.doubt(pairing(), nowMs + 2000)).toBe(true)
  })

  test('one probe runs for all who wait, and no more at once than the limits', async () => {
    const known = proofs({ maxRunningPerHost: 1 })
    const open: (() => void)[] = []
    host.fault = (answer) => open.push(() => goodHost(answer))
    const first = [known.prove(pairing(), ask), known.prove(pairing({ prefixKey: 2 }), ask)]
    expect(await known.prove(pairing({ blob: other }), ask)).toBe(false)
    expect(known.counters.probesSkipped).toBe(1)
    // What was skipped is not what failed.
    expect(known.stateOf(pairing({ blob: other }), { ...about, nowMs })).toBe('proven')
    while (open.length === 0) await new Promise((resolve) => setImmediate(resolve))
    open[0]!()
    expect(await Promise.all(first)).toEqual([true, true])
    expect(host.requests.length).toBe(1)
    expect(await proofs({ maxRunning: 0 }).prove(pairing(), ask)).toBe(false)
    expect(await proofs({ maxRunningPerPrefix: 0 }).prove(pairing(), ask)).toBe(false)
  })

  test('a host that failed is shaky: for a while only a probe of just now counts, of whichever blob', async () => {
    const known = proofs({ shakyMs: 600_000, freshMs: 200 })
    const otherState = () => known.stateOf(pairing({ blob: other }), { ...about, nowMs })
    host.fault = ({ response }) => void response.writeHead(404).end()
    await known.prove(pairing(), ask)
    nowMs += 30_000
    expect(otherState()).toBe('unproven')
    host.fault = goodHost
    await known.prove(pairing(), ask)
    expect(otherState()).toBe('proven')
    nowMs += 200
    expect([otherState(), known.stateOf(pairing(), { ...about, nowMs })]).toEqual(['unproven', 'unproven'])
    nowMs += 600_000
    expect(otherState()).toBe('proven')
    // The mirror role saw it fail.
    expect(known.stateOf(pairing({ blob: other, isShaky: true }), { ...about, nowMs })).toBe('unproven')
  })

  test('clients who wait for a shaky host wait for one probe of it, whatever their blobs', async () => {
    const known = proofs({ maxRunningPerHost: 1 })
    const shaky = [
      pairing({ isShaky: true }),
      pairing({ isShaky: true, blob: other }),
      pairing({ isShaky: true, prefixKey: 2 }),
    ]
    expect(await Promise.all(shaky.map((one) => known.prove(one, ask)))).toEqual([true, true, true])
    expect(host.requests.length).toBe(1)
  })

  test('probes of one host are so many at once and so many a day', async () => {
    const known = proofs({ burstPerHost: 2, perHostAndDay: 24 })
    const proveAll = async () => [await known.prove(pairing(), ask), await known.prove(pairing(), ask)]
    expect(await proveAll()).toEqual([true, true])
    expect(await proveAll()).toEqual([false, false])
    expect(host.requests.length).toBe(2)
    nowMs += 3_600_000
    expect(await proveAll()).toEqual([true, false])
    nowMs += 24 * 3_600_000
    expect([...(await proveAll()), ...(await proveAll())]).toEqual([true, true, false, false])
  })

  test('is bounded: the oldest pairs go', () => {
    const known = proofs({ maxPairs: 10 })
    const of = (i: number) => pairing({ blob: { digest: digestOf(String(i)), sizeBytes: 9 } })
    for (let i = 0; i < 25; i++) known.doubt(of(i), nowMs)
    const states = Array.from({ length: 25 }, (_, i) => known.stateOf(of(i), { ...about, nowMs }))
    expect(states.filter((state) => state === 'unproven').length).toBe(10)
    expect(states.slice(15)).toEqual(Array(10).fill('unproven'))
  })
})

describe('a clock that is set back by hours', () => {
  const hours = 10 * 3_600_000
  const stateNow = (book: ReturnType<typeof proofs>) => book.stateOf(pairing(), { ...about, nowMs })

  test('closes nothing for as long', async () => {
    const book = proofs()
    host.fault = ({ response }) => response.writeHead(500).end()
    expect(await book.prove(pairing(), ask)).toBe(false)
    expect(stateNow(book)).toBe('bad')
    nowMs -= hours
    expect(stateNow(book)).toBe('unproven')
    host.fault = goodHost
    expect(await book.prove(pairing(), ask)).toBe(true)
    expect(stateNow(book)).toBe('proven')
  })

  test('proves nothing for as long, and a doubt counts', async () => {
    const book = proofs()
    expect(await book.prove(pairing(), ask)).toBe(true)
    nowMs -= hours
    expect(book.hasPassed(pairing(), nowMs)).toBe(false)
    expect(book.doubt(pairing(), nowMs)).toBe(true)
    expect(stateNow(book)).toBe('unproven')
    expect(await book.prove(pairing(), ask)).toBe(true)
    expect(stateNow(book)).toBe('proven')
  })
})

describe('doubts where no probe may be made any more', () => {
  const spent = { perHostAndDay: 1, burstPerHost: 1 }

  test('close nothing, whoever makes them: of a pair or of the whole host', async () => {
    const book = proofs(spent)
    expect(await book.prove(pairing(), ask)).toBe(true)
    nowMs += 10_000
    expect(book.doubt(pairing(), nowMs)).toBe(true)
    expect(await book.prove(pairing(), ask)).toBe(false)
    expect(book.stateOf(pairing(), { ...about, nowMs })).toBe('proven')
    expect(book.stateOf(pairing({ doubtSinceMs: nowMs }), { ...about, nowMs })).toBe('proven')
    nowMs += 86_400_000
    expect(book.stateOf(pairing(), { ...about, nowMs })).toBe('unproven')
    expect(await book.prove(pairing(), ask)).toBe(true)
  })

  test('do not open what a probe has closed', async () => {
    const book = proofs(spent)
    host.fault = ({ response }) => response.writeHead(404).end()
    expect(await book.prove(pairing(), ask)).toBe(false)
    nowMs += proofLimitDefaults.maxBadForMs
    expect(book.stateOf(pairing(), { ...about, nowMs })).toBe('unproven')
  })
})
