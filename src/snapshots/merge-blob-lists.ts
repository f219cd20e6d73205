// Two lists of changes as one: for each blob that either touches, its state at the end of the newer. A blob that came and left within
// the joint span keeps its line, because a reader may begin in between.

import type { BlobListLine } from './blob-list.ts'

/** Both sorted by digest, as lists are; so is what comes out. */
export async function* mergeBlobLists(
  older: AsyncIterable<BlobListLine>,
  newer: AsyncIterable<BlobListLine>,
): AsyncGenerator<BlobListLine> {
  const [left, right] = [older[Symbol.asyncIterator](), newer[Symbol.asyncIterator]()]
  try {
    let [a, b] = [await left.next(), await right.next()]
    while (!a.done || !b.done) {
      const order = a.done
        ? 1
        : b.done || a.value.digest < b.value.digest
          ? -1
          : a.value.digest > b.value.digest
            ? 1
            : 0
      yield order < 0 ? (a.value as BlobListLine) : (b.value as BlobListLine)
      if (order <= 0) a = await left.next()
      if (order >= 0) b = await right.next()
    }
  } finally {
    await left.return?.(undefined)
    await right.return?.(undefined)
  }
}
