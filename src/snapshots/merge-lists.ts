// Several lists of changes, one after the other in time, as one: the newest line of each blob. A line of a blob that came and left again
// within them stays, because who reads the merged list may hold a state of in between.

import type { BlobListLine } from './blob-list.ts'

/** `lists`: oldest first, each sorted by digest. Holds one line of each. */
export async function* mergeChanges(lists: readonly AsyncIterable<BlobListLine>[]): AsyncGenerator<BlobListLine> {
  const readers = lists.map((list) => list[Symbol.asyncIterator]())
  try {
    const heads: (BlobListLine | undefined)[] = []
    for (const reader of readers) heads.push((await reader.next()).value)
    for (;;) {
      let newest: BlobListLine | undefined
      for (const head of heads) if (head && (!newest || head.digest <= newest.digest)) newest = head
      if (!newest) return
      yield newest
      for (const [i, reader] of readers.entries()) {
        if (heads[i]?.digest === newest.digest) heads[i] = (await reader.next()).value
      }
    }
  } finally {
    for (const reader of readers) await reader.return?.()
  }
}
