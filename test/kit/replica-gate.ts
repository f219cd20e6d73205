// A replica gate without sockets, over a fleet and a clock of its own, and words for what it decides.

import { parseAddress, prefixKey } from '#kit/address.ts'
import type { Digest } from '#oci/digest.ts'
import { indexHealth, indexPlacement } from '#snapshots/index-placement.ts'
import type { PlacedHost } from '#snapshots/placement.ts'
import type { Replica } from '#stages/pull/asker.ts'
import { makeOriginCounters } from '#stages/pull/origin-counters.ts'
import { type GateAsk, type GateOptions, ReplicaGate, type Verdict } from '#stages/pull/replica-gate.ts'
import { ReplicaStreams } from '#stages/pull/replica-streams.ts'
import { placed } from './front-door.ts'

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
export const digest = `sha256:${'1'.repeat(64)}` as Digest
export const other = `sha256:${'2'.repeat(64)}` as Digest
export const blobBytes = 1_000_000
export const startMs = 1_800_000_000_000

export function replica(ip: string, more: Partial<Replica> & { country?: string; isTls?: boolean } = {}): Replica {
  const address = parseAddress(ip)!
  const { country, isTls = false, ...rest } = more
  const client = { address, prefixKey: prefixKey(address), country, asn: undefined, kind: 'forgiving', isTls } as const
  return { key: ip, address: ip, hostName: undefined, avoid: [], client, ...rest }
}

/** A host that has nothing yet: someone to wait for. */
const newHost = placed(9, 'https://new.example.org', { generation: 0 })

export function openGate(hosts: readonly PlacedHost[] = [newHost], more: Partial<GateOptions> = {}) {
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
export function tell(verdict: Verdict): string {
  if (verdict.kind === 'redirect') return verdict.host.host.name
  return verdict.kind === 'wait' ? `wait ${verdict.seconds}` : 'bytes'
}
export function finish(verdict: Verdict, bytes = blobBytes): void {
  if (verdict.kind !== 'send') throw new Error(`${tell(verdict)} instead of bytes`)
  verdict.stream.add(bytes)
  verdict.stream.end()
}

export const [a, b, c, d] = ['192.0.2.1', '198.51.100.1', '203.0.113.1', '198.18.0.1'].map((ip) => replica(ip)) as [
  Replica,
  Replica,
  Replica,
  Replica,
]
