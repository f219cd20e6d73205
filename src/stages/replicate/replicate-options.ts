import type { GivenRoot } from './first-root.ts'
import type { Progress } from './progress-meter.ts'
import type { ReplicateEvent } from './replicate-event.ts'
import type { TimeWindow } from './schedule.ts'
import type { SelectionOptions } from './selection.ts'
import type { Client } from './tree-source.ts'

export type ReplicateOptions = SelectionOptions & {
  /** Addresses of the published tree, http or https; all are used. */
  readonly from: readonly string[]
  readonly to: string
  /** What this host calls its trace. */
  readonly name: string
  readonly connections: number
  readonly check: CheckOptions | undefined
  /** Let blobs go that no list ever named, after the grace: somebody else may have put them there. */
  readonly isPrune: boolean
  /** Over all connections; 0: no limit. */
  readonly bytesPerSecond: number
  readonly windows: readonly TimeWindow[]
  /** Outside all windows; 0: no blob is transferred. */
  readonly outsideBytesPerSecond: number
  /** Free space that is left to others. */
  readonly minFreeBytes: number
  /** What left the list stays this long. */
  readonly graceMs: number
  /** Whom to believe from the start; without it the first run believes the source. */
  readonly root: GivenRoot | undefined
  readonly family: 4 | 6 | undefined
  /** How long a file may be put off by sources that are busy. */
  readonly patienceMs: number
  readonly stallMs: number
  readonly leastBytes: number
  readonly tries: number
  /** The first pause before another attempt; each next one is twice as long. */
  readonly pauseMs: number
}

/** Reading again what is on the disk. */
export type CheckOptions = {
  /** 0: no limit. */
  readonly bytesPerSecond: number
  /** The next run goes on from where this time ended; 0: all of it. */
  readonly limitMs: number
}

export const replicateDefaults = {
  connections: 4,
  check: undefined,
  isPrune: false,
  bytesPerSecond: 0,
  windows: [],
  outsideBytesPerSecond: 0,
  minFreeBytes: 1 << 30,
  graceMs: 24 * 3_600_000,
  root: undefined,
  family: undefined,
  capBytes: undefined,
  repositories: [],
  platforms: [],
  minBytes: 0,
  maxBytes: undefined,
  patienceMs: 6 * 3_600_000,
  stallMs: 30_000,
  leastBytes: 16 * 1024,
  tries: 5,
  pauseMs: 500,
} as const satisfies Partial<ReplicateOptions>

export type ReplicateTools = {
  readonly client: Client
  /** For hosts that a source redirects to: private addresses only where they were allowed outright. */
  readonly hostClient: Client
  readonly now: () => number
  readonly random: () => number
  readonly freeBytes: (folder: string) => Promise<number>
  readonly onProgress: (progress: Progress) => void
  readonly onEvent: (event: ReplicateEvent) => void
  readonly stop: AbortSignal
  /** Name and version of the program, for the trace. */
  readonly software: string
}
