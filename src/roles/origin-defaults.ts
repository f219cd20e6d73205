// How the origin treats machines that copy the tree. Figures that no operator had to change yet stand here; the others are options.

import type { Config } from '#config/config.ts'
import type { AskerLimits } from '#stages/pull/asker.ts'
import type { WaiterOptions } from '#stages/pull/generation-waiters.ts'
import type { GateOptions } from '#stages/pull/replica-gate.ts'
import type { StreamOptions } from '#stages/pull/replica-streams.ts'

export type OriginLimits = {
  readonly askers: AskerLimits
  readonly streams: StreamOptions
  readonly gate: Omit<GateOptions, 'originUrl'>
  readonly waiters: WaiterOptions
}

export function originLimits({ settings }: Config): OriginLimits {
  return {
    askers: { userBlobs: settings.originUserBlobs, maxNetworks: 10_000 },
    streams: {
      streams: settings.originReplicaStreams,
      streamsEach: settings.originReplicaStreamsEach,
      stallMs: settings.stall,
    },
    gate: {
      seeds: settings.originSeeds,
      seedsPerNetwork: settings.originSeedsPerNetwork,
      silenceMs: settings.originSeedSilence,
      sendsPerBlob: settings.originSendsPerBlob,
      sendRefillMs: 30_000,
      sendsPerReplica: 2,
      sendPerReplicaRefillMs: 1_800_000,
      retryMs: 5_000,
      maxRetryMs: 30_000,
      maxBlobsRemembered: 20_000,
      allowHttpHosts: settings.allowHttpHosts,
      redirectsPerHost: settings.originRedirectsPerHost,
      bandwidthShare: 0.5,
      bookAheadMs: 2_000,
      maxHealthAgeMs: 300_000,
      epochMs: 600_000,
      maxCandidates: 32,
    },
    waiters: {
      seeds: settings.originSeeds,
      waveMs: settings.originWave,
      holdMs: settings.originHold,
      headStartMs: settings.originHeadStart,
      waiters: settings.originWaiters,
      waitersPerNetwork: settings.originWaitersPerNetwork,
      maxRemembered: 2 * settings.originWaiters,
    },
  }
}
