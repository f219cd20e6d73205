// Which files of changes and which whole file a tree names. Each generation brings a run of its own; adjacent runs are merged so that
//
//   a merged run is no larger than all newer ones together (or than `slackBytes`): a reader whose generation lies within it
//   reads at most about twice what he lacks, and there are about log2 of them;
//   the runs since the whole file are no larger than it: a newcomer reads at most twice the state;
//   all runs together are no larger than it either: whoever is further behind reads the whole file for the same price.
//
// Over time a byte of change is written again about log2 times. Sizes are of the packed files. See docs/decisions.

import type { Span } from '#snapshots/tree-path.ts'

type Sized = Span & { readonly sizeBytes: number }

export type Slack = {
  /** Runs below this are merged whatever comes after them: many small answers cost more than a few bytes. */
  readonly slackBytes: number
}

export const runDefaults: Slack = { slackBytes: 1024 }
/** A whole file below this is not worth keeping runs short for. */
const wholeSlack = 16

/** The next two to merge, as places in `runs` (adjacent, oldest first): the newest that may be; undefined: none. The newest run is
 *  never merged: it is what nearly everybody reads next. */
export function nextMerge(runs: readonly Sized[], { slackBytes }: Slack): readonly [number, number] | undefined {
  let newerBytes = 0
  for (let i = runs.length - 2; i > 0; i--) {
    newerBytes += runs[i + 1]!.sizeBytes
    const joint = runs[i]!.sizeBytes + runs[i - 1]!.sizeBytes
    if (joint <= Math.max(newerBytes, slackBytes)) return [i - 1, i]
  }
  return undefined
}

/** True: the runs since the whole file have outgrown it, or there is none. */
export function needsWhole(whole: Sized | undefined, runs: readonly Sized[], { slackBytes }: Slack): boolean {
  if (!whole) return true
  const since = runs.filter((run) => run.to > whole.to)
  return sum(since) > Math.max(whole.sizeBytes, slackBytes * wholeSlack)
}

/** The runs that are worth naming beside `whole`. Those that lead on from it always are. */
export function worthNaming<T extends Sized>(whole: Sized, runs: readonly T[], { slackBytes }: Slack): T[] {
  const most = Math.max(whole.sizeBytes, slackBytes * wholeSlack)
  const kept = [...runs]
  while (kept.length > 0 && kept[0]!.to <= whole.to && sum(kept) > most) kept.shift()
  return kept
}

function sum(runs: readonly Sized[]): number {
  return runs.reduce((bytes, run) => bytes + run.sizeBytes, 0)
}
