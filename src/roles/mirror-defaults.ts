// How hard the mirror role looks at hosts. Figures that no operator had to change yet; those that they do are options.

import type { LivenessOptions } from '#stages/mirror/check-liveness.ts'
import type { MissOptions } from '#stages/mirror/check-misses.ts'
import type { CrawlOptions } from '#stages/mirror/crawl-host.ts'
import type { CheckInOptions } from '#stages/mirror/decide-check-ins.ts'
import type { CrawlPace } from '#stages/mirror/due-crawls.ts'
import type { FleetWatchOptions } from '#stages/mirror/fleet-watch.ts'
import type { StrikeOptions } from '#stages/mirror/strike-options.ts'

/** What they cost a host in a day is counted in test/flow/cost-of-proof.test.ts. */
export const crawlDefaults: CrawlOptions = {
  idleMs: 10_000,
  totalMs: 30_000,
  family: undefined,
  // One range tells that a blob is there, its size and some of its bytes; half of them are its end, where a broken copy stops.
  blocksPerBlob: 1,
  headShare: 1 / 16,
  blockBytes: 4096,
  concurrency: 4,
  maxRequests: 30_000,
  maxSampledBytes: 256 << 20,
  maxMs: 10 * 60_000,
  maxRechecks: 200,
  firstRechecks: 2,
  spotChecks: 4,
  spotCheckEveryMs: 300_000,
  saveEveryMs: 5_000,
}

/** A host that says it is whole again is asked for what it lacked, all of it unless that is very much. */
export const checkInDefaults: Pick<CheckInOptions, 'maxRechecks'> = { maxRechecks: 5_000 }

export const livenessDefaults: LivenessOptions = {
  // A hundred hosts that are silent until their time is over still fit a round.
  concurrency: 128,
  blockBytes: 256,
  idleMs: 5_000,
  totalMs: 5_000,
  otherFamilyEveryMs: 60_000,
}

export const strikeDefaults: StrikeOptions = {
  windowMs: 300_000,
  drainPrefixes: 3,
  maxDrainsPerPrefix: 3,
  maxDraining: 16,
  probeEveryMs: 2_000,
  repeatMs: 30_000,
  doubtMs: 30_000,
  openMs: 30_000,
  maxOutMs: 6 * 3_600_000,
  maxPrefixesPerHost: 1_000,
  maxPrefixes: 100_000,
}

/** When a crawl that left something open is tried again at the soonest. */
export const retryDefaults: Omit<CrawlPace, 'againMs'> = {
  lackingMs: 45_000,
  retryMs: { partial: 1_000, behind: 20_000, trouble: 30_000, unsuitable: 60_000, lying: 60_000 },
  slowestMs: 600_000,
}

/** Of what clients came back for. Silence of five seconds within a transfer is what breaks clients. */
export const clientReadDefaults: FleetWatchOptions['clientReads'] = {
  maxBytes: 64 << 20,
  maxRunning: 16,
  idleMs: 5_000,
  totalMs: 120_000,
  firstWaitMs: 10_000,
  strikeWaitMs: 60_000,
  longestWaitMs: 30 * 60_000,
}

/** A whole read may take as long as a slow host needs for a large layer. */
export const wholeReadDefaults: FleetWatchOptions['wholeReads'] = {
  maxBytes: 1 << 30,
  concurrency: 4,
  idleMs: 10_000,
  totalMs: 600_000,
}

/** A blob that a host is said to lack. */
export const missDefaults: MissOptions = {
  everyMs: 2_000,
  againMs: 60_000,
  maxRunning: 16,
  maxPerHost: 1_000,
  blocksPerBlob: 1,
  blockBytes: 256,
  idleMs: 5_000,
  totalMs: 10_000,
  family: undefined,
}
