import { describe, expect, test } from 'bun:test'
import { parseAddress, prefixKey } from '#kit/address.ts'
import type { Digest } from '#oci/digest.ts'
import { indexHealth, indexPlacement } from '#snapshots/index-placement.ts'
import type { PlacedHost } from '#snapshots/placement.ts'
import { placed } from '../../../test/kit/front-door.ts'
import type { Replica } from './asker.ts'
import { makeOriginCounters } from './origin-counters.ts'
import { type GateAsk, type GateOptions, ReplicaGate, type Verdict } from './replica-gate.ts'
import { ReplicaStreams } from './replica-streams.ts'

const options: GateOptions = {
  originUrl: 'https://origin.example.org',
  seeds: 2,
  seedsPerNetwork: 2,
  silenceMs: 60_000,
  sendsPerBlob: 3,
  sendRefillMs: 30_000,
  sendsPerReplica: 2,
  sendPerReplicaRefillMs: 1_800_000,
  retryMs: 10_000,
  maxRetryMs: 40_000,
  maxBlobsRemembered: 100,
  allowHttpHosts: false,
  redirectsPerHost: 10,
  bandwidthShare: 0.5,
  bookAheadMs: 1000,
  maxHealthAgeMs: 300_000,
  epochMs: 600_000,
  maxCandidates: 32,
}
const digest = `sha256:${'1'.repeat(64)}` as Digest
const other = `sha256:${'2'.repeat(64)}` as Digest
const blobBytes = 1_000_000
const startMs = 1_800_000_000_000

function replica(ip: string, more: Partial<Replica> & { country?: string; isTls?: boolean } = {}): Replica {
  const address = parseAddress(ip)!
  const { country, isTls = false, ...rest } = more
  const client = { address, prefixKey: prefixKey(address), country, asn: undefined, kind: 'forgiving', isTls } as const
  return { key: ip, address: ip, hostName: undefined, avoid: [], client, ...rest }
}

function open(hosts: readonly PlacedHost[] = [], more: Partial<GateOptions> = {}) {
  const state = { nowMs: startMs, generation: 3, hosts, dead: [] as number[], builtAtMs: startMs, random: 0.5 }
  const streams = new ReplicaStreams({ streams: 3, streamsEach: 2, stallMs: 60_000 }, () => state.nowMs)
  const counters = makeOriginCounters()
  let built: { key: string; fleet: ReturnType<typeof build> } | undefined
  const build = () => {
    const about = { format: 1, version: 1, builtAtMs: state.builtAtMs } as const
    const health = state.hosts.map(({ id }) => ({
      id,
      isAlive: !state.dead.includes(id),
      reason: undefined,
      checkedAtMs: startMs,
      roundTripMs: 1,
      circuit: 'closed' as const,
    }))
    return {
      placement: indexPlacement({ ...about, channel: 'stable', hosts: state.hosts }),
      health: indexHealth({ ...about, hosts: health }),
    }
  }
  const gate = new ReplicaGate(
    {
      fleet: () => {
        const key = JSON.stringify([state.hosts, state.dead, state.builtAtMs])
        if (built?.key !== key) built = { key, fleet: build() }
        return built.fleet
      },
      currentGeneration: () => ({ generation: state.generation, sinceMs: 0 }),
      generationOf: (asked) => (asked === other ? undefined : 3),
      streams,
      counters,
      random: () => state.random,
      now: () => state.nowMs,
    },
    { ...options, ...more },
  )
  return {
    state,
    streams,
    counters,
    ask: (who: Replica, about: Partial<GateAsk> = {}) =>
      gate.decide({ replica: who, digest, sizeBytes: blobBytes, askedBytes: blobBytes, ...about }),
  }
}

/** In one word. */
function tell(verdict: Verdict): string {
  if (verdict.kind === 'redirect') return verdict.host.host.name
  return verdict.kind === 'wait' ? `wait ${verdict.seconds}` : 'bytes'
}
const finish = (verdict: Verdict, bytes = blobBytes) => {
  if (verdict.kind !== 'send') throw new Error(`${tell(verdict)} instead of bytes`)
  verdict.stream.add(bytes)
  verdict.stream.end()
}

const [a, b, c, d] = ['192.0.2.1', '198.51.100.1', '203.0.113.1', '198.18.0.1'].map((ip) => replica(ip)) as [
  Replica,
  Replica,
  Replica,
  Replica,
]

describe('where a host is proven to have the blob', () => {
  const host = (id: number, more: Partial<PlacedHost> = {}) => placed(id, `http://10.0.0.${id}`, more)

  test('a replica is sent there, and nobody becomes a seed', () => {
    const { ask, counters } = open([host(1)])
    expect(tell(ask(a))).toBe('host1')
    expect(counters).toMatchObject({ replicaRedirects: 1, replicaSends: 0 })
  })

  test.each<[string, Partial<PlacedHost>, Partial<Replica>, string]>([
    ['a host lacks the blob', { missing: [digest] }, {}, 'bytes'],
    ['a host is a generation behind', { generation: 2 }, {}, 'bytes'],
    ['a host has it early', { generation: 2, extra: [digest] }, {}, 'host1'],
    ['a host is excluded', { excluded: 'switched off' }, {}, 'bytes'],
    ['a host is on probation', { grade: 'probation' }, {}, 'host1'],
    ['it asks itself, by name', {}, { hostName: 'host1' }, 'bytes'],
    ['it asks itself, by address', {}, replica('10.0.0.1'), 'bytes'],
    ['it was failed by the host', {}, { avoid: ['x', 'host1'] }, 'bytes'],
    ['the host is the origin', { urls: ['https://origin.example.org'] }, {}, 'bytes'],
    ['https is asked for and http is all there is', {}, replica('192.0.2.1', { isTls: true }), 'bytes'],
    ['https is asked for', { urls: ['http://10.0.0.1', 'https://one.example.org'] }, {}, 'host1'],
    ['it has another family', { urls: ['http://[2001:db8::1]'] }, {}, 'bytes'],
    ['the host is private', { isPrivate: true, netblocks: ['198.51.100.0/24'] }, {}, 'bytes'],
    ['the host is of its own campus', { isPrivate: true, netblocks: ['192.0.2.0/24'] }, {}, 'host1'],
  ])('%s', (_, hosted, asks, expected) => {
    expect(tell(open([host(1, hosted)]).ask({ ...a, ...asks }))).toBe(expected)
  })

  test('the nearest one', () => {
    const { ask } = open([host(1, { country: 'CZ' }), host(2, { country: 'BR' })])
    expect(tell(ask(replica('192.0.2.1', { country: 'BR' })))).toBe('host2')
    expect(tell(ask(replica('192.0.2.1', { country: 'CZ' })))).toBe('host1')
  })

  test('a host that is dead, or whose health nobody knows any more, gets nobody', () => {
    const { ask, state } = open([host(1)])
    state.dead = [1]
    expect(tell(ask(a))).toBe('bytes')
    state.dead = []
    state.nowMs += 300_001
    expect(tell(ask(a))).toBe('bytes')
  })

  test('a blob that is in no list is no host’s', () => {
    expect(tell(open([host(1)]).ask(a, { digest: other }))).toBe('bytes')
  })

  test('one host is sent no more replicas than its second takes; the others wait, without becoming seeds', () => {
    const { ask, state, counters } = open([host(1, { bandwidthMbps: 100_000 })])
    const told = Array.from({ length: 13 }, (_, i) => tell(ask(replica(`192.0.${i}.1`))))
    expect(told.filter((one) => one === 'host1')).toHaveLength(11)
    expect(told.slice(11)).toEqual(['wait 1', 'wait 1'])
    state.nowMs += 200
    expect([tell(ask(c)), tell(ask(d)), tell(ask(b))]).toEqual(['host1', 'host1', 'wait 1'])
    expect(counters.replicaSends).toBe(0)
  })

  test('nor more bytes than half its bandwidth carries', () => {
    // 8 Mbit/s, half of it: a megabyte is two seconds.
    const { ask, state } = open([host(1, { bandwidthMbps: 8 })])
    expect([a, b].map((one) => tell(ask(one)))).toEqual(['host1', 'wait 1'])
    state.nowMs += 1000
    expect([b, c].map((one) => tell(ask(one)))).toEqual(['host1', 'wait 2'])
  })

  test('nobody waits for long, whatever a host is busy with: another one may have come', () => {
    const { ask } = open([host(1, { bandwidthMbps: 8 })])
    const large = { sizeBytes: 1e9, askedBytes: 1e9 }
    expect([a, b].map((one) => tell(ask(one, large)))).toEqual(['host1', 'wait 40'])
  })

  test('when the near one is busy, one that is farther takes its turn', () => {
    const { ask } = open([host(1, { country: 'BR', bandwidthMbps: 8 }), host(2, { country: 'CZ' })])
    const told = ['192.0.2.1', '198.51.100.1'].map((ip) => tell(ask(replica(ip, { country: 'BR' }))))
    expect(told).toEqual(['host1', 'host2'])
  })
})

describe('where no host has it', () => {
  test('the first replicas get bytes, the others wait, each another time', () => {
    const { ask, state } = open()
    expect([a, b, c].map((one) => tell(ask(one)))).toEqual(['bytes', 'bytes', 'wait 10'])
    state.random = 0
    expect(ask(c)).toEqual({
      kind: 'wait',
      seconds: 5,
      why: '2 replicas copy this generation first; a proven host will have it soon',
    })
    state.random = 0.99
    expect(tell(ask(c))).toBe('wait 15')
  })

  test('a seed that got all it wanted gives its place to the next', () => {
    const { ask, state } = open()
    finish(ask(a))
    finish(ask(b))
    state.nowMs += 59_000
    expect(tell(ask(c))).toBe('wait 10')
    state.nowMs += 1000
    expect(tell(ask(c))).toBe('bytes')
  })

  test('bytes that go out keep the place', () => {
    const { ask, state } = open()
    const slow = ask(a)
    if (slow.kind !== 'send') throw new Error('no bytes')
    ask(b)
    state.nowMs += 50_000
    slow.stream.add(1)
    state.nowMs += 20_000
    expect([tell(ask(c)), tell(ask(d))]).toEqual(['bytes', 'wait 10'])
  })

  test('the next generation has seeds of its own', () => {
    const { ask, state } = open()
    for (const one of [a, b]) finish(ask(one))
    expect(tell(ask(c))).toBe('wait 10')
    state.generation++
    expect(tell(ask(c))).toBe('bytes')
  })

  test('a blob is sent so often at once, and then slowly', () => {
    const { ask, state } = open([], { seeds: 100 })
    for (let i = 0; i < 3; i++) finish(ask(replica(`192.0.${i}.1`)))
    expect(ask(d)).toMatchObject({ kind: 'wait', seconds: 30, why: expect.stringContaining('as it may be') })
    state.nowMs += 30_000
    finish(ask(d))
    expect(tell(ask(c))).toBe('wait 30')
    expect(tell(ask(c, { digest: other }))).toBe('bytes')
  })

  test('the same replica gets a blob twice, not three times', () => {
    const { ask } = open()
    finish(ask(a))
    finish(ask(a))
    expect(ask(a)).toMatchObject({ kind: 'wait', why: expect.stringContaining('already') })
    finish(ask(b))
  })

  test('what broke off counts for what was sent, and a resume for what it asks', () => {
    const { ask } = open([], { sendsPerBlob: 1 })
    finish(ask(a), 300_000)
    expect(tell(ask(b))).toStartWith('wait')
    finish(ask(a, { askedBytes: 600_000 }))
    expect(tell(ask(b, { askedBytes: 200_000 }))).toStartWith('wait')
    finish(ask(b, { askedBytes: 100_000 }), 100_000)
  })

  test('at once there are so many answers, and so many for one replica', () => {
    const { ask, streams } = open([], { sendsPerBlob: 100, sendsPerReplica: 100 })
    const first = ask(a)
    ask(a)
    expect(ask(a)).toMatchObject({ kind: 'wait', why: expect.stringContaining('this replica') })
    ask(b)
    expect(ask(b)).toMatchObject({ kind: 'wait', why: expect.stringContaining('there may be') })
    finish(first)
    expect(streams.count).toBe(2)
    expect(tell(ask(b))).toBe('bytes')
  })

  test('one that nobody reads from is cut off and its room given on', () => {
    const { ask, streams, state } = open()
    const stuck = ask(a)
    if (stuck.kind !== 'send') throw new Error('no bytes')
    let cuts = 0
    stuck.stream.onCut = () => void cuts++
    state.nowMs += 59_999
    streams.cutStalled(state.nowMs)
    expect(cuts).toBe(0)
    state.nowMs += 1
    streams.cutStalled(state.nowMs)
    expect([cuts, streams.count]).toEqual([1, 0])
  })

  test('an empty blob costs nothing', () => {
    const { ask } = open()
    for (let i = 0; i < 5; i++) finish(ask(a, { sizeBytes: 0, askedBytes: 0 }), 0)
  })
})

describe('in a network where no host is ever proven', () => {
  test('every replica has everything in the end, and no blob is sent more often than it may be', () => {
    const { ask, state } = open([], { seeds: 4, sendsPerBlob: 3 })
    const blobs = ['1', '2', '3', '4', '5'].map((hex) => `sha256:${hex.repeat(64)}` as Digest)
    const herd = Array.from({ length: 30 }, (_, i) => ({ who: replica(`192.0.${i}.1`), left: [...blobs], nextMs: 0 }))
    const sentAt = new Map(blobs.map((one): [Digest, number[]] => [one, []]))
    const endMs = startMs + 3_600_000
    for (; state.nowMs < endMs && herd.some(({ left }) => left.length > 0); state.nowMs += 1000) {
      state.random = ((state.nowMs / 1000) * 0.618) % 1
      for (const one of herd) {
        if (one.left.length === 0 || one.nextMs > state.nowMs) continue
        const [wanted] = one.left as [Digest]
        const verdict = ask(one.who, { digest: wanted })
        if (verdict.kind === 'wait') one.nextMs = state.nowMs + verdict.seconds * 1000
        else {
          finish(verdict)
          sentAt.get(one.left.shift()!)!.push(state.nowMs)
        }
      }
    }
    expect(herd.filter(({ left }) => left.length > 0)).toEqual([])
    for (const times of sentAt.values()) {
      expect(times).toHaveLength(30)
      // In any stretch of time: three at once, and one more in each half minute of it.
      for (const [i, from] of times.entries()) {
        for (const [j, to] of times.slice(i).entries())
          expect(j + 1).toBeLessThanOrEqual(3 + (to - from) / 30_000 + 1e-6)
      }
    }
  })
})
