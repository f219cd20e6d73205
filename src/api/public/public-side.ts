// What may be told to anybody: the front door's own snapshots, which hold nothing of a channel that is not public.

import type { View } from '#snapshots/holder.ts'
import type { PublishedManifest } from '#snapshots/publication.ts'

export type PublicSide = {
  /** Where users pull; undefined: not known in this process. */
  readonly frontdoorUrl: string | undefined
  readonly view: () => View
  readonly readManifest: (manifest: PublishedManifest) => Promise<Uint8Array>
}

export type PageAsk = { readonly q: string; readonly after: string; readonly limit: number }
export type Page<T> = { readonly items: readonly T[]; readonly matches: number; readonly next?: string }

/** A page of a sorted list, of those that contain `q`. */
export function pageOf<T>(sorted: readonly T[], keyOf: (item: T) => string, { q, after, limit }: PageAsk): Page<T> {
  const wanted = q === '' ? sorted : sorted.filter((item) => keyOf(item).includes(q))
  const start = placeAfter(wanted, keyOf, after)
  const items = wanted.slice(start, start + limit)
  const isLast = start + limit >= wanted.length
  return { items, matches: wanted.length, ...(isLast ? {} : { next: keyOf(items.at(-1)!) }) }
}

function placeAfter<T>(sorted: readonly T[], keyOf: (item: T) => string, after: string): number {
  let low = 0
  let high = sorted.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (keyOf(sorted[middle]!) <= after) low = middle + 1
    else high = middle
  }
  return low
}
