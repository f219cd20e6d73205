// Where a client is sent, and what its coming back does: against real hosts where a probe is made.
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'bun:test'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Answer } from '#http/answer.ts'
import { blobPath } from '#oci/digest.ts'
import {
  bodyOf,
  digestOf,
  type FaultyHost,
  type FrontFixture,
  goodHost,
  layer,
  makeAsk,
  manifest,
  openFront,
  placed,
  startHost,
} from '../../../test/kit/front-door.ts'
import { answerFront } from './answer-front.ts'
import { explainBlob } from './explain-blob.ts'

let folder: string
let fixture: FrontFixture
let hosts: FaultyHost[]
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'choose-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))
beforeEach(async () => {
  fixture = await openFront(folder)
  hosts = await Promise.all([startHost(), startHost(), startHost()])
  fixture.fleet(hosts.map(({ url }, i) => placed(i + 1, url)))
})
afterEach(() => Promise.all(hosts.map((host) => host.stop())))

const path = `/v2/fedora/base/blobs/${digestOf(layer)}`
type Sent = Answer & { readonly to: string }

async function get(headers: Record<string, string> = {}, from = '192.0.2.7', target = path): Promise<Sent> {
  const answer = await answerFront(makeAsk(target, { 'x-forwarded-for': from, ...headers }), fixture.front)
  if (answer.status === 307) return { ...answer, to: String(answer.headers.location).split('/blobs/')[0]! }
  expect(await bodyOf(answer)).toEqual(Buffer.from(layer))
  return { ...answer, to: 'origin' }
}
const gets = async (count: number, headers?: Record<string, string>) => {
  const to: string[] = []
  for (let i = 0; i < count; i++) to.push((await get(headers)).to)
  return to
}
const kinds = () => fixture.evidence.map(({ kind }) => kind)
const settle = async (count: number) => {
  while (fixture.front.counters.probesPassed + fixture.front.counters.probesFailed < count) {
    await new Promise((resolve) => setImmediate(resolve))
  }
}
const pass = (ms: number) => {
  fixture.clock.nowMs += ms
}
/** Health and placement stay young. */
const refresh = () => fixture.fleet(hosts.map(({ url }, i) => placed(i + 1, url)))

describe('the first ask', () => {
  test('goes to a proven host at once, with what a redirect must carry', async () => {
    const answer = answerFront(makeAsk(path), fixture.front)
    expect(answer).not.toBeInstanceOf(Promise)
    const { status, headers, body } = answer as Answer
    expect([status, body]).toEqual([307, undefined])
    const { location, ...rest } = headers
    expect(hosts.map(({ url }) => `${url}/${blobPath(digestOf(layer))}`)).toContain(String(location))
    expect(rest).toEqual({
      'cache-control': 'no-store',
      'docker-content-digest': digestOf(layer),
      'flotilla-generation': '3',
    })
    expect(hosts.flatMap(({ requests }) => requests)).toEqual([])
  })

  test('is the same for the same prefix and blob, on another front door too', async () => {
    const [first] = await gets(1)
    const other = await openFront(folder)
    other.fleet(hosts.map(({ url }, i) => placed(i + 1, url)))
    const answer = (await answerFront(makeAsk(path, { 'x-forwarded-for': '192.0.2.99' }), other.front)) as Answer
    expect(String(answer.headers.location)).toStartWith(first!)
  })

  test('spreads over the hosts', async () => {
    const to = new Set<string>()
    for (let i = 0; i < 60; i++) to.add((await get({}, `198.51.${i}.1`)).to)
    expect(to.size).toBe(3)
  })
})

describe('coming back', () => {
  test('goes round the hosts at once, then once to the origin, then round again over hosts proven since', async () => {
    const round = await gets(3)
    expect(new Set(round).size).toBe(3)
    expect(await gets(1)).toEqual(['origin'])
    expect(fixture.front.counters.probesPassed).toBe(0)
    expect(await gets(3)).toEqual(round)
    expect(fixture.front.counters.probesPassed).toBe(3)
    pass(10_000)
    refresh()
    const later = await gets(6)
    expect(later).not.toContain('origin')
    expect(fixture.front.counters.originAfterRound).toBe(1)
  })

  test('after the window begins anew', async () => {
    const [first] = await gets(2)
    pass(300_000)
    refresh()
    const [again] = await gets(1)
    // Another epoch of the draw as well, so only: no memory of the tried ones.
    expect([first, ...hosts.map(({ url }) => url)]).toContain(again!)
    expect(kinds()).toEqual([])
  })

  test('within two seconds is one ask: a hundred machines behind one address are no evidence', async () => {
    for (let i = 0; i < 100; i++) await get({}, `192.0.2.${i}`)
    expect(kinds()).toEqual([])
    expect(fixture.front.counters.originAfterRound).toBe(1)
  })

  test('later is weak evidence: it starts a probe, and a host that passes keeps its clients', async () => {
    const [first] = await gets(1)
    pass(5_000)
    const [second] = await gets(1)
    expect(second).not.toBe(first)
    await settle(1)
    expect(kinds()).toEqual(['re-ask', 'probe-passed'])
    expect(hosts.find(({ url }) => url === first)!.requests.length).toBe(1)
    // Another client is still sent there.
    const others = new Set<string>()
    for (let i = 0; i < 60; i++) others.add((await get({}, `198.51.${i}.1`)).to)
    expect(others).toContain(first!)
  })

  test('a failed probe closes the host here, for a while that doubles', async () => {
    const [first] = await gets(1)
    const bad = hosts.find(({ url }) => url === first)!
    bad.fault = ({ response }) => response.writeHead(503).end()
    pass(5_000)
    await gets(1)
    await settle(1)
    expect(kinds()).toEqual(['re-ask', 'probe-failed'])
    let strangers = 0
    const reached = async () => {
      const to = new Set<string>()
      for (let i = 0; i < 40; i++) to.add((await get({}, `203.${strangers++ % 256}.${strangers >> 8}.1`)).to)
      return to
    }
    expect(await reached()).not.toContain(first!)
    expect(bad.requests.length).toBe(1)
    pass(31_000)
    refresh()
    // In doubt still: nobody is sent there before a probe, which runs behind the clients' backs.
    expect(await reached()).not.toContain(first!)
    await settle(2)
    expect(bad.requests.length).toBe(2)
    bad.fault = goodHost
    pass(31_000)
    refresh()
    await reached()
    expect(bad.requests.length).toBe(2)
    pass(31_000)
    refresh()
    await reached()
    await settle(3)
    expect(await reached()).toContain(first!)
  })
})

describe('pulls that began', () => {
  const image = path.replace(/blobs.*/, `manifests/${digestOf(manifest)}`)
  const begin = async () => void (await answerFront(makeAsk(image, { 'x-forwarded-for': '192.0.2.7' }), fixture.front))
  const told = () => kinds().filter((kind) => kind === 'return' || kind === 're-ask')

  test('a second ask within one pull is a strike, however soon it comes: docker asks twice at once', async () => {
    await begin()
    await gets(2)
    expect(told()).toEqual(['return'])
  })

  test('two hundred pullers behind one address are none', async () => {
    for (let i = 0; i < 200; i++) await begin()
    await gets(200)
    expect(told()).toEqual([])
    for (let i = 0; i < 20; i++) {
      pass(3_000)
      await begin()
      await gets(1)
    }
    expect(new Set(told())).toEqual(new Set(['re-ask']))
  })

  test('a pull that is begun again by hand is weak evidence', async () => {
    await begin()
    await gets(1)
    pass(5_000)
    await begin()
    await gets(1)
    expect(told()).toEqual(['re-ask'])
  })

  test('of a network whose pulls nothing is known, neither', async () => {
    await gets(1)
    pass(5_000)
    await gets(1)
    expect(told()).toEqual(['re-ask'])
  })
})

describe('ranges', () => {
  const MiB = 1024 * 1024

  test.each(['bytes=0-99', 'bytes=-100', 'bytes=0-1,5-6', `bytes=${MiB}-`, `bytes=${2 * MiB}-`])(
    '%s stays with the host of the other parts, and is never evidence',
    async (range) => {
      const [first] = await gets(1)
      pass(10_000)
      expect(new Set(await gets(20, { range }))).toEqual(new Set([first!]))
      expect(kinds()).toEqual([])
      // The next plain ask is still the second.
      expect(await gets(1)).not.toEqual([first])
    },
  )

  test('parallel parts that come first go to one host', async () => {
    const to = await Promise.all([0, 1, 2, 3].map((part) => get({ range: `bytes=${part * MiB}-` })))
    expect(new Set(to.map((one) => one.to)).size).toBe(1)
  })

  test('a resume is one strike and goes to the next host', async () => {
    const [first] = await gets(1)
    const [second] = await gets(1, { range: 'bytes=1234-' })
    expect(second).not.toBe(first)
    await settle(1)
    expect(fixture.evidence[0]).toEqual({
      kind: 'resume',
      hostId: hosts.findIndex(({ url }) => url === first) + 1,
      digest: digestOf(layer),
      prefixKey: 0xc0_00_02,
      atMs: fixture.clock.nowMs,
    })
    // Echoes of it are none.
    await gets(1, { range: 'bytes=1234-' })
    expect(kinds().filter((kind) => kind === 'resume').length).toBe(1)
  })

  test('parts leave a host that is closed', async () => {
    const [first] = await gets(1)
    hosts.find(({ url }) => url === first)!.fault = ({ response }) => response.writeHead(404).end()
    await gets(1, { range: 'bytes=77-' })
    await settle(1)
    expect(await gets(1, { range: 'bytes=0-99' })).not.toEqual([first])
  })
})

describe('a held ask', () => {
  const stale = () => pass(10 * 60_000)

  test('waits for a proof when health is old, and another ask for the same shares it', async () => {
    stale()
    const both = await Promise.all([get(), get({}, '192.0.2.8')])
    expect(both.map(({ status }) => status)).toEqual([307, 307])
    expect(fixture.front.counters.heldRedirects).toBe(2)
    expect(hosts.flatMap(({ requests }) => requests).length).toBeLessThanOrEqual(3)
    const asked = hosts.flatMap(({ requests }) => requests).length
    // The proof holds for a while.
    await get()
    expect(hosts.flatMap(({ requests }) => requests).length).toBeLessThanOrEqual(asked + 1)
  })

  test('passes over hosts that fail, two at a time', async () => {
    stale()
    hosts[0]!.fault = ({ response }) => response.writeHead(500).end()
    hosts[1]!.fault = ({ request }) => request.socket.destroy()
    expect((await get()).to).toBe(hosts[2]!.url)
  })

  test('ends at the origin when nobody can be proven, and says why', async () => {
    stale()
    for (const host of hosts) host.fault = ({ response }) => response.writeHead(404).end()
    expect((await get()).to).toBe('origin')
    expect(fixture.front.counters.originNotProven).toBe(1)
    expect(fixture.evidence.map((one) => 'reason' in one && one.reason)).toEqual(Array(3).fill('answered 404'))
    // And not again before the time is up.
    expect((await get({}, '198.51.100.1')).to).toBe('origin')
    expect(hosts.flatMap(({ requests }) => requests).length).toBe(3)
  })

  test('is not held for ever by hosts that never answer', async () => {
    const choose = { ...fixture.front.options.choose, minProbeMs: 30 }
    const quick = await openFront(folder, { options: { choose } })
    quick.fleet(
      hosts.map(({ url }, i) => placed(i + 1, url)),
      {},
      quick.clock.nowMs - 600_000,
    )
    for (const host of hosts) host.fault = () => undefined
    const answer = await answerFront(makeAsk(path), quick.front)
    expect(answer.status).toBe(200)
    expect(quick.front.counters.probesFailed).toBe(3)
  })

  test('looks to the host like the client that asks', async () => {
    stale()
    fixture.fleet(
      hosts.map(({ url }, i) => placed(i + 1, url, { ticket: 'query' })),
      {},
      fixture.clock.nowMs - 599_999,
    )
    await get({ 'user-agent': 'containers/5.38.0' })
    const [request] = hosts.flatMap(({ requests }) => requests)
    expect(request).toMatch(/^\/blobs\/sha256\/..\/[0-9a-f]{64}\?t=[A-Za-z0-9_-]{20,64} containers\/5\.38\.0$/)
  })
})

describe('a miss', () => {
  const prepare = () =>
    fixture.fleet(
      hosts.map(({ url }, i) => placed(i + 1, url, { ticket: 'query' })),
      {},
      fixture.clock.nowMs + 1,
    )
  const ticketOf = (answer: Answer) => /\?t=(.*)$/.exec(String(answer.headers.location))![1]!

  test('with a good ticket is served here at either address, and is the word of the host', async () => {
    prepare()
    const first = await get()
    const host = hosts.find(({ url }) => url === first.to)!
    host.fault = ({ response }) => response.writeHead(307, { location: 'http://front/again' }).end()
    const miss = ticketOf(first)
    expect(miss).not.toContain('fedora')
    expect((await get({}, '192.0.2.7', `${path}?miss=${miss}`)).to).toBe('origin')
    await settle(1)
    expect(kinds()).toEqual(['miss', 'probe-failed'])
    expect((await get({}, '192.0.2.7', `/${blobPath(digestOf(layer))}?miss=${miss}`)).to).toBe('origin')
    expect(fixture.front.counters.originMiss).toBe(2)
  })

  test.each(['', 'forged', 'a'.repeat(27)])(
    'with the ticket "%s" counts for nothing and drains nothing',
    async (miss) => {
      prepare()
      await get()
      expect((await get({}, '192.0.2.7', `${path}?miss=${miss}`)).to).toBe('origin')
      expect(kinds()).toEqual([])
      const again = await answerFront(
        makeAsk(`${path}?miss=${miss}`, { 'x-forwarded-for': '192.0.2.7' }),
        fixture.front,
      )
      expect(again.status).toBe(429)
      const tree = await answerFront(makeAsk(`/${blobPath(digestOf(layer))}?miss=${miss}`), fixture.front)
      expect(tree.status).toBe(403)
    },
  )

  test('of another client is forged', async () => {
    prepare()
    const miss = ticketOf(await get())
    await get({}, '198.51.100.7', `${path}?miss=${miss}`)
    expect(fixture.front.counters.forgedMisses).toBe(1)
    expect(kinds()).toEqual([])
  })

  test('can be told only so often', async () => {
    prepare()
    const target = `${path}?miss=${ticketOf(await get())}`
    const statuses: number[] = []
    for (let i = 0; i < 70; i++) {
      statuses.push((await answerFront(makeAsk(target, { 'x-forwarded-for': '192.0.2.7' }), fixture.front)).status)
    }
    expect(statuses.filter((status) => status === 200).length).toBe(64)
    expect(statuses.at(-1)).toBe(429)
  })
})

describe('a host that is busy', () => {
  /** The first is near, and has ten seconds to send when five clients fetched the layer. */
  const place = () => {
    // A snapshot is taken only when it is newer.
    pass(1)
    fixture.fleet(
      hosts.map(({ url }, i) => placed(i + 1, url, i === 0 ? { netblocks: ['198.51.0.0/16'], bandwidthMbps: 1 } : {})),
    )
  }
  const fill = async (headers: Record<string, string> = {}) => {
    for (let i = 1; i <= 5; i++) expect((await get(headers, `198.51.${i}.1`)).to).toBe(hosts[0]!.url)
  }
  beforeEach(() => place())

  test('sends the next clients on, and has them again when it is done', async () => {
    await fill()
    expect((await get({}, '198.51.6.1')).to).not.toBe(hosts[0]!.url)
    pass(10_000)
    place()
    expect((await get({}, '198.51.7.1')).to).toBe(hosts[0]!.url)
    expect(kinds()).toEqual([])
  })

  test('keeps the clients that fetch their parts there', async () => {
    const part = { range: 'bytes=0-149999' }
    await fill()
    await fill(part)
    expect((await get(part, '198.51.6.1')).to).not.toBe(hosts[0]!.url)
    expect(kinds()).toEqual([])
  })

  test('is busy with what was asked of it, and not with the whole blob', async () => {
    for (let i = 1; i <= 50; i++) expect((await get({ range: 'bytes=0-9' }, `198.51.${i}.1`)).to).toBe(hosts[0]!.url)
    expect(fixture.front.headroom.busyMs(1)).toBeLessThan(5)
  })

  test('comes last, before the origin, where all are', async () => {
    for (const { host } of fixture.holder.current.fleet.placement.hosts) fixture.front.headroom.book(host, 1e9)
    expect((await get({}, '198.51.1.1')).to).toBe(hosts[0]!.url)
  })

  test('is told as busy, in its tier', async () => {
    await fill()
    const told = explainBlob({ ip: '198.51.6.1', digest: digestOf(layer) }, fixture.front)!
    expect(told.candidates.map(({ name, tier, hasRoom }) => [name, tier, hasRoom])).toEqual([
      [expect.stringMatching(/^host[23]$/), 'world', true],
      [expect.stringMatching(/^host[23]$/), 'world', true],
      ['host1', 'netblock', false],
    ])
    expect(told.hosts!.tiers[0]).toMatchObject({ tier: 'netblock', hosts: [{ busyMs: 12_000, hasRoom: false }] })
  })
})

describe('what a client says of itself', () => {
  test('makes no host refuse the probe that it brought about', async () => {
    // As httpd and nginx do with a field that is too long.
    for (const host of hosts)
      host.fault = (exchange) => {
        const { request, response } = exchange
        if ((request.headers['user-agent'] ?? '').length < 8_000) goodHost(exchange)
        else response.writeHead(400).end()
      }
    const agent = { 'user-agent': `docker/28.5.2 ${'x'.repeat(9_000)}` }
    const { to } = await get(agent)
    await get({ ...agent, range: 'bytes=5-' })
    await settle(1)
    expect(kinds()).toEqual(['resume', 'probe-passed'])
    expect(hosts.map(({ url }) => url)).toContain(to)
  })
})
