// What the origin's own tree of a channel has now: its generation, since when, and which blobs came lately. The folder is our own, so
// nobody's signature is asked for.

import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { Digest } from '#oci/digest.ts'
import { type RecentBlobs, readRecentBlobs } from '#snapshots/recent-blobs.ts'
import { folderSource } from '#snapshots/snapshot-source.ts'
import { peekTimestamp, timestampPath } from '#snapshots/tree-contents.ts'

export type OwnTree = {
  /** undefined: nothing is published yet. */
  currentGeneration(): { readonly generation: number; readonly sinceMs: number } | undefined
  /** The first generation that has the blob, or a later one when that is long ago; undefined: it is in no list. */
  generationOf(digest: Digest): number | undefined
  /** Looks for a newer generation. */
  look(): Promise<void>
}

/** Some fifty thousand blobs. */
const maxListBytes = 4 << 20

type Known = { readonly generation: number; readonly sinceMs: number; readonly blobs: RecentBlobs }

export type OwnTreeParts = { readonly now: () => number; readonly log: (error: unknown) => void }

export function watchOwnTree(folder: string, channel: string, { now, log }: OwnTreeParts): OwnTree {
  const source = folderSource(folder)
  let known: Known | undefined
  let etag: string | undefined
  return {
    currentGeneration: () => known,
    generationOf: (digest) => known?.blobs.generationOf(digest),
    async look() {
      const news = await source.read(timestampPath, etag)
      if (!news) return
      const generation = generationIn(news.bytes)
      if (generation !== known?.generation) {
        const { mtimeMs } = await stat(join(folder, timestampPath))
        const options = { channel, generation, maxBytes: maxListBytes }
        const blobs = await readRecentBlobs(folder, options).catch((error) => {
          log(error)
          // Hosts that have all of this generation have every blob of it.
          return { generationOf: () => generation }
        })
        known = { generation, sinceMs: Math.min(now(), mtimeMs), blobs }
      }
      etag = news.etag
    },
  }
}

/** The timestamp is written last, and names the generation beside what TUF wants of it. */
function generationIn(timestamp: Uint8Array): number {
  const said = peekTimestamp(timestamp)
  if (!said) throw new Error(`${timestampPath} of our own tree names no generation`)
  return said.generation
}
