import { describe, expect, test } from 'bun:test'
import type { HostHealth } from '#snapshots/health.ts'
import type { PlacedHost } from '#snapshots/placement.ts'
import { describeHost, type HostState, standingOf } from './describe-host.ts'

const host: PlacedHost = {
  id: 1,
  name: 'mirror.example.org',
  site: 'university',
  grade: 'proven',
  country: 'DE',
  bandwidthMbps: 100,
  isPrivate: false,
  netblocks: ['192.0.2.0/24'],
  allowedCountries: [],
  asn: 64500,
  peerAsns: [64501],
  urls: ['https://mirror.example.org'],
  excluded: undefined,
  generation: 7,
  missing: [`sha256:${'a'.repeat(64)}`],
  extra: [],
  ticket: 'query',
}
const health: HostHealth = {
  id: 1,
  isAlive: true,
  reason: undefined,
  checkedAtMs: 1_790_000_000_000,
  roundTripMs: 12.34,
  circuit: 'closed',
}

describe('why a host is used or not', () => {
  test.each<[string, Partial<PlacedHost>, Partial<HostHealth> | undefined, HostState, RegExp | undefined]>([
    ['proven and alive', {}, {}, 'used', undefined],
    ['switched off, though alive', { excluded: 'switched off by the operator' }, {}, 'off', /^switched off/],
    ['never probed', {}, undefined, 'unprobed', /no probe/],
    ['dead, and why', {}, { isAlive: false, reason: 'connection refused' }, 'dead', /^connection refused$/],
    ['dead, nobody knows why', {}, { isAlive: false }, 'dead', /failed/],
    ['dead before its circuit counts', {}, { isAlive: false, circuit: 'open' }, 'dead', /failed/],
    ['open', {}, { circuit: 'open', reason: 'wrong bytes' }, 'open', /^wrong bytes$/],
    ['draining', {}, { circuit: 'draining' }, 'draining', /whole reads/],
  ])('%s', (_, placed, told, state, reason) => {
    const standing = standingOf({ ...host, ...placed }, told && { ...health, ...told })
    expect(standing.state).toBe(state)
    if (reason === undefined) expect(standing).not.toHaveProperty('reason')
    else expect(standing.reason).toMatch(reason)
  })

  test('what is told of it: counts instead of digests, and nothing of its networks', () => {
    const crawl = { finishedAtMs: 1_790_000_000_000, outcome: 'complete' }
    expect(describeHost(host, health, crawl)).toEqual({
      name: 'mirror.example.org',
      site: 'university',
      grade: 'proven',
      country: 'DE',
      allowedCountries: [],
      urls: ['https://mirror.example.org'],
      bandwidthMbps: 100,
      generation: 7,
      missing: 1,
      extra: 0,
      state: 'used',
      circuit: 'closed',
      isAlive: true,
      checkedAt: '2026-09-21T14:13:20.000Z',
      roundTripMs: 12.3,
      lastCrawl: { at: '2026-09-21T14:13:20.000Z', outcome: 'complete' },
    })
  })
})
