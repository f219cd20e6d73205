// Which files of changes a tree names beside its newest checkpoint, so that everybody fetches about what he lacks:
//
//   checkpoint   |------------------------------|
//   runs            |---------------|-------|---|-|     adjacent, oldest first; the newest is the last generation's change
//
// A run may be read from any generation that it spans. Two that lie side by side become one when together they are no larger than all
// newer ones: who is somewhere within it lacks all the newer ones and fetches at most twice that. What stays apart doubles with every
// second run, so that their number is logarithmic; and a line is written again only when what came after it has grown as large.

import type { TreeFile } from '#snapshots/tree-contents.ts'

export type SizedSpan = Pick<TreeFile, 'from' | 'to' | 'sizeBytes'>

export type RunLimits = {
  /** Runs that together are below this become one whatever came after: the most that anybody fetches in vain for fewer files. */
  readonly tinyBytes: number
  /** A checkpoint is not written again before this much has changed: it may be next to nothing itself. */
  readonly leastCheckpointBytes: number
}

export const runLimitDefaults: RunLimits = { tinyBytes: 4096, leastCheckpointBytes: 65_536 }

/** The runs, oldest first, the newest as it came; those of one group are to become one file. */
export function groupRuns<T extends SizedSpan>(runs: readonly T[], { tinyBytes } = runLimitDefaults): readonly T[][] {
  const newest = runs.at(-1)
  if (!newest) return []
  const groups = [[newest]]
  let newerBytes = newest.sizeBytes
  let openBytes = 0
  for (const run of runs.slice(0, -1).reverse()) {
    if (openBytes > 0 && openBytes + run.sizeBytes <= Math.max(newerBytes, tinyBytes)) {
      groups[0]!.unshift(run)
      openBytes += run.sizeBytes
      continue
    }
    groups.unshift([run])
    newerBytes += openBytes
    openBytes = run.sizeBytes
  }
  return groups
}

/** Whether a newcomer would read more in runs than in the checkpoint. */
export function needsCheckpoint(
  checkpoint: SizedSpan | undefined,
  runs: readonly SizedSpan[],
  { leastCheckpointBytes } = runLimitDefaults,
): boolean {
  if (!checkpoint) return true
  const since = runs.filter((run) => run.to > checkpoint.to)
  return sum(since) > Math.max(checkpoint.sizeBytes, leastCheckpointBytes)
}

/** Without the oldest, for which the checkpoint is cheaper: who is behind twice its size fetches that, and lacks about as much. */
export function worthwhileRuns<T extends SizedSpan>(
  checkpoint: SizedSpan,
  runs: readonly T[],
  { leastCheckpointBytes } = runLimitDefaults,
): readonly T[] {
  const mostBytes = 2 * Math.max(checkpoint.sizeBytes, leastCheckpointBytes)
  let bytes = 0
  const first = runs.findLastIndex((run) => (bytes += run.sizeBytes) > mostBytes && run.to <= checkpoint.to)
  return runs.slice(first + 1)
}

function sum(runs: readonly SizedSpan[]): number {
  return runs.reduce((bytes, run) => bytes + run.sizeBytes, 0)
}
