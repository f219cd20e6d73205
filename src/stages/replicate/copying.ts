// What the copying steps of one run share: how to fetch, how much room to leave, what to tell about progress.

import { setTimeout as wait } from 'node:timers/promises'
import type { FetchAllTools } from './fetch-all.ts'
import { Pace, type Wait } from './pace.ts'
import type { ReplicaFolder } from './replica-folder.ts'
import { ReplicateError } from './replicate-error.ts'
import type { Progress, ReplicateOptions, ReplicateTools } from './replicate-options.ts'
import type { TreeSource } from './tree-source.ts'

export type Copying = {
  readonly replica: ReplicaFolder
  readonly options: ReplicateOptions
  readonly tools: ReplicateTools
  readonly fetching: FetchAllTools
  readonly meter: ProgressMeter
}

const longestPauseMs = 30_000

/** Counts over the whole run; each step sets what it expects. */
export class ProgressMeter {
  #now: Progress = { phase: 'lists', files: 0, totalFiles: 0, bytes: 0, totalBytes: 0 }
  readonly #onProgress: (progress: Progress) => void

  constructor(onProgress: (progress: Progress) => void) {
    this.#onProgress = onProgress
  }

  get files(): number {
    return this.#now.files
  }

  get bytes(): number {
    return this.#now.bytes
  }

  enter(phase: Progress['phase'], more: { readonly files: number; readonly bytes: number }): void {
    const { totalFiles, totalBytes } = this.#now
    this.#now = { ...this.#now, phase, totalFiles: totalFiles + more.files, totalBytes: totalBytes + more.bytes }
    this.#onProgress(this.#now)
  }

  add(files: number, bytes: number): void {
    this.#now = { ...this.#now, files: this.#now.files + files, bytes: this.#now.bytes + bytes }
    this.#onProgress(this.#now)
  }
}

export function startCopying(
  replica: ReplicaFolder,
  source: TreeSource,
  options: ReplicateOptions,
  tools: ReplicateTools,
): Copying {
  const meter = new ProgressMeter(tools.onProgress)
  const { connections, tries, pauseMs } = options
  const fetching: FetchAllTools = {
    source,
    folder: replica.folder,
    partsFolder: replica.parts,
    connections,
    tries,
    stop: tools.stop,
    pace: new Pace(options.bytesPerSecond, tools.now, waitFor),
    onBytes: (bytes) => meter.add(0, bytes),
    onFile: () => meter.add(1, 0),
    keepFloor: (sizeBytes) => keepFloor(replica.folder, sizeBytes, options, tools),
    // Half of each pause is by chance, so that hosts cut off together do not come back together.
    async pause(attempt, signal) {
      const fullMs = Math.min(longestPauseMs, pauseMs * 2 ** (attempt - 1))
      await waitFor(fullMs * (0.5 + tools.random() / 2), signal)
    },
  }
  return { replica, options, tools, fetching, meter }
}

const waitFor: Wait = (ms, signal) => wait(ms, undefined, { signal })

export async function keepFloor(
  folder: string,
  sizeBytes: number,
  { minFreeBytes }: Pick<ReplicateOptions, 'minFreeBytes'>,
  { freeBytes }: Pick<ReplicateTools, 'freeBytes'>,
): Promise<void> {
  const free = await freeBytes(folder)
  if (free - sizeBytes >= minFreeBytes) return
  throw new ReplicateError(
    'disk',
    `${sizeBytes} bytes to come, ${free} free, of which ${minFreeBytes} are to stay free`,
  )
}
