// Sorted streams read side by side, so that comparing lists of any length takes a constant amount of memory.

import type { Digest } from '#oci/digest.ts'
import type { BlobListLine, ListedBlob } from '#snapshots/blob-list.ts'

type WithDigest = { readonly digest: Digest }

/** For each digest that any of some sorted streams has, in order, what each of them has for it. */
export async function* alignByDigest<T extends readonly WithDigest[]>(
  ...streams: { readonly [K in keyof T]: AsyncIterable<T[K]> }
): AsyncGenerator<{ [K in keyof T]: T[K] | undefined }> {
  const readers = streams.map((stream: AsyncIterable<WithDigest>) => stream[Symbol.asyncIterator]())
  try {
    const next = async (reader: AsyncIterator<WithDigest>) => {
      const { done, value } = await reader.next()
      return done ? undefined : (value as WithDigest)
    }
    const heads = await Promise.all(readers.map(next))
    for (;;) {
      let least: Digest | undefined
      for (const head of heads) if (head && (least === undefined || head.digest < least)) least = head.digest
      if (least === undefined) return
      const row = heads.map((head) => (head?.digest === least ? head : undefined))
      yield row as unknown as { [K in keyof T]: T[K] | undefined }
      for (const [i, one] of row.entries()) if (one) heads[i] = await next(readers[i]!)
    }
  } finally {
    for (const reader of readers) await reader.return?.()
  }
}

export async function* nothing(): AsyncGenerator<never> {}

/** A whole list brought forward by one delta. */
export async function* applyDelta(
  whole: AsyncIterable<ListedBlob>,
  delta: AsyncIterable<BlobListLine>,
): AsyncGenerator<BlobListLine> {
  for await (const [old, change] of alignByDigest(whole, delta)) {
    if (change?.sign === '-') continue
    const blob = change ?? old!
    yield { sign: '', digest: blob.digest, sizeBytes: blob.sizeBytes, generation: blob.generation }
  }
}
