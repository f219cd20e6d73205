// What the copying steps of one run share: how to fetch, how much room to leave, what to tell about progress.

import { setTimeout as wait } from 'node:timers/promises'
import { byteText } from '#kit/byte-text.ts'
import type { FetchAllTools } from './fetch-all.ts'
import { Pace, type Wait } from './pace.ts'
import { ProgressMeter } from './progress-meter.ts'
import type { ReplicaFolder } from './replica-folder.ts'
import { ReplicateError } from './replicate-error.ts'
import type { ReplicateOptions, ReplicateTools } from './replicate-options.ts'
import { Schedule } from './schedule.ts'
import type { TreeSources } from './tree-sources.ts'

export type Copying = {
  readonly replica: ReplicaFolder
  readonly options: ReplicateOptions
  readonly tools: ReplicateTools
  /** For lists and packs: they come at any time of the day. */
  readonly fetching: FetchAllTools
  readonly blobFetching: FetchAllTools
  readonly meter: ProgressMeter
}

const longestPauseMs = 30_000

export function startCopying(
  replica: ReplicaFolder,
  sources: TreeSources,
  options: ReplicateOptions,
  tools: ReplicateTools,
): Copying {
  const meter = new ProgressMeter(tools.onProgress)
  const { connections, tries, pauseMs, patienceMs } = options
  const { now, random, stop, onEvent } = tools
  const schedule = new Schedule(options)
  const rateNow = () => {
    const rate = schedule.rateAt(now())
    if (rate === undefined) throw outsideWindows(schedule.opensAtMs(now()))
    return rate
  }
  const fetching: FetchAllTools = {
    sources,
    folder: replica.folder,
    partsFolder: replica.parts,
    connections,
    tries,
    patienceMs,
    stop,
    now,
    random,
    wait: waitFor,
    pace: new Pace(() => options.bytesPerSecond, now, waitFor),
    onBytes: (bytes) => meter.add(0, bytes),
    onFile({ path, sizeBytes }, from) {
      meter.add(1, 0)
      onEvent({ event: 'file', path, bytes: sizeBytes, from })
    },
    onPutOff: ({ path }, forMs) => onEvent({ event: 'wait', what: path, ms: Math.round(forMs) }),
    mayBegin: floorKeeper(replica.folder, options, tools),
    // Half of each pause is by chance, so that hosts cut off together do not come back together.
    async pause(attempt, signal) {
      const fullMs = Math.min(longestPauseMs, pauseMs * 2 ** (attempt - 1))
      await waitFor(fullMs * (0.5 + random() / 2), signal)
    },
  }
  const blobFetching: FetchAllTools = {
    ...fetching,
    pace: new Pace(rateNow, now, waitFor),
    async mayBegin(sizeBytes) {
      rateNow()
      await fetching.mayBegin(sizeBytes)
    },
  }
  return { replica, options, tools, fetching, blobFetching, meter }
}

export const waitFor: Wait = (ms, signal) => wait(ms, undefined, { signal })

function outsideWindows(opensAtMs: number): ReplicateError {
  const when = new Date(opensAtMs).toTimeString().slice(0, 5)
  return new ReplicateError('window', `outside the windows for transfers (--window); the next one begins at ${when}`)
}

const bytesPerLook = 16 << 20

/** Looks at the disk before each large file, and once in a while between small ones. */
function floorKeeper(folder: string, options: ReplicateOptions, tools: ReplicateTools) {
  let unseenBytes = bytesPerLook
  return async (sizeBytes: number) => {
    unseenBytes += sizeBytes
    if (unseenBytes < bytesPerLook) return
    unseenBytes = 0
    await keepFloor(folder, sizeBytes, options, tools)
  }
}

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
    `no room in ${folder}: ${byteText(sizeBytes)} to come, ${byteText(free)} free, of which ${byteText(minFreeBytes)} are to stay free (--min-free)`,
  )
}
