import type { GivenRoot } from './first-root.ts'
import type { Client } from './tree-source.ts'

export type ReplicateOptions = {
  /** Address of the published tree, http or https. */
  readonly from: string
  readonly to: string
  /** What this host calls its trace. */
  readonly name: string
  readonly connections: number
  /** Read every blob again and replace what is damaged. */
  readonly isCheck: boolean
  /** Let blobs go that no list ever named, after the grace: somebody else may have put them there. */
  readonly isPrune: boolean
  /** Over all connections; 0: no limit. */
  readonly bytesPerSecond: number
  /** Free space that is left to others. */
  readonly minFreeBytes: number
  /** What left the list stays this long. */
  readonly graceMs: number
  /** Whom to believe from the start; without it the first run believes the source. */
  readonly root: GivenRoot | undefined
  readonly stallMs: number
  readonly leastBytes: number
  readonly tries: number
  /** The first pause before another attempt; each next one is twice as long. */
  readonly pauseMs: number
}

export const replicateDefaults = {
  connections: 4,
  isCheck: false,
  isPrune: false,
  bytesPerSecond: 0,
  minFreeBytes: 1 << 30,
  graceMs: 24 * 3_600_000,
  root: undefined,
  stallMs: 30_000,
  leastBytes: 16 * 1024,
  tries: 5,
  pauseMs: 500,
} as const satisfies Partial<ReplicateOptions>

export type ReplicateTools = {
  readonly client: Client
  readonly now: () => number
  readonly random: () => number
  readonly freeBytes: (folder: string) => Promise<number>
  readonly onProgress: (progress: Progress) => void
  readonly stop: AbortSignal
  /** Name and version of the program, for the trace. */
  readonly software: string
}

export type Progress = {
  /** lists; look: comparing with what is here; blobs; packs; done. */
  readonly phase: 'lists' | 'look' | 'blobs' | 'packs' | 'done'
  readonly files: number
  /** 0 while it is not known. */
  readonly totalFiles: number
  readonly bytes: number
  readonly totalBytes: number
}
