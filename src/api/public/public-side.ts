// What may be told to anybody: the front door's own snapshots, which hold nothing of a channel that is not public.

import type { View } from '#snapshots/holder.ts'
import type { PublishedManifest, PublishedRepository } from '#snapshots/publication.ts'

export type PublicSide = {
  /** Where users pull; undefined: no front door is known here. */
  readonly frontdoorUrl: string | undefined
  /** Undefined where no front door runs in this process. */
  readonly view: () => View | undefined
  readonly readManifest: (manifest: PublishedManifest) => Promise<Uint8Array>
}

export type PageAsk = { readonly q: string; readonly after: string; readonly limit: number }
export type Page<T> = { readonly items: readonly T[]; readonly matches: number; readonly next: string | undefined }

/** A page of a sorted list, of those that contain `q`. */
export function pageOf<T>(sorted: readonly T[], keyOf: (item: T) => string, { q, after, limit }: PageAsk): Page<T> {
  const wanted = q === '' ? sorted : sorted.filter((item) => keyOf(item).includes(q))
  const start = placeAfter(wanted, keyOf, after)
  const items = wanted.slice(start, start + limit)
  const isLast = start + limit >= wanted.length
  return { items, matches: wanted.length, next: isLast ? undefined : keyOf(items.at(-1)!) }
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

/** Tags that clients without the referrers API make for signatures and the like: nobody pulls those by name. */
const companion = /^sha(256|512)-[0-9a-f]{32,}/
const naturally = new Intl.Collator('en', { numeric: true }).compare

/** The tags that people pull: `latest`, then the highest versions. */
export function leadingTags(repository: PublishedRepository, most: number): string[] {
  const tags = [...repository.tags.keys()].filter((tag) => tag !== 'latest' && !companion.test(tag))
  const lead = repository.tags.has('latest') ? ['latest'] : []
  return [...lead, ...tags.sort((a, b) => naturally(b, a))].slice(0, most)
}
