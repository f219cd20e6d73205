import { describe, expect, test } from 'bun:test'
import type { PlacedHost } from '#snapshots/placement.ts'
import { placed } from '../../../test/kit/front-door.ts'
import { a, b, c, d, digest, openGate as open, other, replica, tell } from '../../../test/kit/replica-gate.ts'
import type { Replica } from './asker.ts'

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
    ['it is another host at that address', {}, replica('10.0.0.1', { hostName: 'host2' }), 'host1'],
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

  test('when all are busy for longer than anybody waits, a few get bytes, or one asker could keep all others waiting', () => {
    const hosts = [1, 2, 3].map((id) => host(id, { bandwidthMbps: 8 }))
    const { ask, state } = open(hosts)
    const large = { sizeBytes: 1e9, askedBytes: 1e9 }
    expect(hosts.map(() => tell(ask(a, large))).sort()).toEqual(['host1', 'host2', 'host3'])
    expect([b, c, d].map((one) => tell(ask(one)))).toEqual(['bytes', 'bytes', 'wait 10'])
    // Of a host that is free soon it is not asked too much to wait for it.
    state.nowMs += 1_970_000
    state.builtAtMs = state.nowMs
    expect(tell(ask(d))).toBe('wait 29')
  })

  test('when the near one is busy, one that is farther takes its turn', () => {
    const { ask } = open([host(1, { country: 'BR', bandwidthMbps: 8 }), host(2, { country: 'CZ' })])
    const told = ['192.0.2.1', '198.51.100.1'].map((ip) => tell(ask(replica(ip, { country: 'BR' }))))
    expect(told).toEqual(['host1', 'host2'])
  })
})
