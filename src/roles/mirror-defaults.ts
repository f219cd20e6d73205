// How hard the mirror role looks at hosts. Figures that no operator had to change yet; those that they do are options.

import type { LivenessOptions } from '#stages/mirror/check-liveness.ts'
import type { CrawlOptions } from '#stages/mirror/crawl-host.ts'
import type { StrikeOptions } from '#stages/mirror/strikes.ts'

export const crawlDefaults: CrawlOptions = {
  idleMs: 10_000,
  totalMs: 30_000,
  family: undefined,
  blocksPerBlob: 2,
  blockBytes: 4096,
  concurrency: 4,
  maxRequests: 30_000,
  maxSampledBytes: 256 << 20,
  maxMs: 10 * 60_000,
  maxRechecks: 200,
  spotChecks: 4,
  saveEveryMs: 5_000,
}

export const livenessDefaults: LivenessOptions = {
  concurrency: 32,
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
  openMs: 30_000,
  maxPrefixesPerHost: 1_000,
  maxPrefixes: 100_000,
}
