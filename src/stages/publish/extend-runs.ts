// One generation more of lists or packs: its own run, the merges that are due, and now and then a whole file.

import { inOrder, type TreeFile, treeFile } from '#snapshots/tree-contents.ts'
import type { Span, SpanKind } from '#snapshots/tree-path.ts'
import { needsWhole, nextMerge, runDefaults, worthNaming } from './runs.ts'

type Written = Pick<TreeFile, 'sizeBytes' | 'digest'>

export type RunWriter = {
  readonly kind: SpanKind
  /** What changed in this generation. */
  writeRun(span: Span): Promise<Written>
  /** One file for the two spans of adjacent files. */
  merge(older: TreeFile, newer: TreeFile): Promise<Written>
  writeWhole(span: Span): Promise<Written>
}

/** `before`: the files that the last generation named; none of them is used when `isBroken`: the generations before belong to an
 *  epoch that is over. */
export async function extendRuns(
  number: number,
  before: readonly TreeFile[],
  isBroken: boolean,
  { kind, writeRun, merge, writeWhole }: RunWriter,
): Promise<TreeFile[]> {
  const known = isBroken ? [] : before
  let whole = known.findLast((file) => file.from === 0)
  const runs = inOrder(known.filter((file) => file.from > 0))
  if (number > 1 && !isBroken) {
    const span = { from: number - 1, to: number }
    runs.push(treeFile(kind, span, await writeRun(span)))
  }
  for (let due = nextMerge(runs, runDefaults); due; due = nextMerge(runs, runDefaults)) {
    const [older, newer] = [runs[due[0]]!, runs[due[1]]!]
    const span = { from: older.from, to: newer.to }
    runs.splice(due[0], 2, treeFile(kind, span, await merge(older, newer)))
  }
  if (needsWhole(whole, runs, runDefaults)) {
    const span = { from: 0, to: number }
    whole = treeFile(kind, span, await writeWhole(span))
  }
  return inOrder([whole!, ...worthNaming(whole!, runs, runDefaults)])
}
