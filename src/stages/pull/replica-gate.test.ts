import { describe, expect, test } from 'bun:test'
import type { Digest } from '#oci/digest.ts'
import { placed } from '../../../test/kit/front-door.ts'
import { a, b, c, d, finish, openGate as open, other, replica, startMs, tell } from '../../../test/kit/replica-gate.ts'
import { maxAvoided } from './asker.ts'

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
    const { ask, state } = open(undefined, { seeds: 100 })
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
    const { ask } = open(undefined, { sendsPerBlob: 1 })
    finish(ask(a), 300_000)
    expect(tell(ask(b))).toStartWith('wait')
    finish(ask(a, { askedBytes: 600_000 }))
    expect(tell(ask(b, { askedBytes: 200_000 }))).toStartWith('wait')
    finish(ask(b, { askedBytes: 100_000 }), 100_000)
  })

  test('at once there are so many answers, and so many for one replica', () => {
    const { ask, streams } = open(undefined, { sendsPerBlob: 100, sendsPerReplica: 100 })
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

describe('without any host', () => {
  test('there is nobody to wait for: only the answers under way are counted', () => {
    const { ask } = open([], { seeds: 1, sendsPerBlob: 1 })
    for (const one of [a, b, c]) expect(tell(ask(one))).toBe('bytes')
    expect(ask(d)).toMatchObject({ kind: 'wait', why: 'as many answers to replicas are under way as there may be' })
  })

  test('one network, under however many names, has half of the answers', () => {
    const { ask } = open([])
    const told = ['1', '2', '3'].map((name) => tell(ask({ ...a, key: name })))
    expect(told).toEqual(['bytes', 'bytes', 'wait 10'])
    expect(tell(ask(b))).toBe('bytes')
  })
})

describe('a replica that cannot reach any of many hosts', () => {
  const hosts = Array.from({ length: 30 }, (_, i) => placed(i + 1, `https://h${i + 1}.example.org`, { generation: 3 }))
  const names = hosts.map(({ name }) => name)

  test('gets bytes when it has named as many as it can', () => {
    const { ask } = open(hosts)
    let avoid: string[] = []
    const met: string[] = []
    for (let i = 0; i < 9; i++) {
      met.push(tell(ask({ ...a, avoid })))
      avoid = [...avoid, met.at(-1)!].slice(-maxAvoided)
    }
    expect(met.at(-1)).toBe('bytes')
    expect(new Set(met).size).toBe(9)
  })

  test('names hosts that there are: others count for nothing', () => {
    const { ask } = open(hosts)
    const invented = Array.from({ length: maxAvoided }, (_, i) => `x${i}.example.org`)
    expect(names).toContain(tell(ask({ ...a, avoid: invented })))
    expect(names).toContain(tell(ask({ ...a, avoid: Array(maxAvoided).fill(names[0]) })))
  })
})

describe('in a network where no host is ever proven', () => {
  test('every replica has everything in the end, and no blob is sent more often than it may be', () => {
    const { ask, state } = open(undefined, { seeds: 4, sendsPerBlob: 3 })
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
