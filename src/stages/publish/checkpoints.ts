// Whole files at checkpoints, differences between them: a new whole one is due when reading the differences would cost more than it, so
// that over time writing costs what changed and a newcomer reads at most about twice the state.

import type { TreeFile } from '#snapshots/tree-contents.ts'

const maxDeltas = 40
/** How many checkpoints stay named: a copy that is behind the older one starts over from the newer. */
const keptCheckpoints = 2

export function needsCheckpoint(files: readonly TreeFile[]): boolean {
  const last = files.findLastIndex((file) => file.from === 0)
  if (last < 0) return true
  const deltas = files.slice(last + 1)
  return deltas.length >= maxDeltas || deltas.reduce((sum, file) => sum + file.sizeBytes, 0) > files[last]!.sizeBytes
}

/** In order of `to`, a checkpoint behind the delta that leads to it; what precedes the kept checkpoints is dropped. */
export function withFiles(before: readonly TreeFile[], added: readonly TreeFile[]): TreeFile[] {
  const files = [...before, ...added]
  const checkpoints = files.flatMap((file, i) => (file.from === 0 ? [i] : []))
  const first = checkpoints.at(-keptCheckpoints) ?? 0
  return files.slice(first)
}
