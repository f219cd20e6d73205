// Since which generation a tree has a blob, for the generations that still matter, read from the newest lists of the tree. A tree of a
// million blobs needs no million of entries for it: what is older than the lists read here came at the latest with the oldest of them.

import { createReadStream } from 'node:fs'
import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { readBlobList } from './blob-list.ts'
import { parseTreePath, type Span } from './tree-path.ts'

export type RecentBlobs = {
  /** Never less than the truth; undefined: the lists are known whole and have no such blob. */
  generationOf(digest: string): number | undefined
}

export type RecentBlobsOptions = {
  readonly channel: string
  readonly generation: number
  /** Packed, of all the lists that are read. */
  readonly maxBytes: number
}

type ListFile = Span & { readonly path: string; readonly sizeBytes: number }

/** A list tells some 40 times its packed size at most: more is damage. */
const mostUnpacked = 64

/** Reads the lists in `folder` backwards from `generation`. */
export async function readRecentBlobs(folder: string, options: RecentBlobsOptions): Promise<RecentBlobs> {
  const { channel, generation, maxBytes } = options
  const chain = chainBack(await listFiles(folder), generation, maxBytes)
  const generations = new Map<string, number>()
  for (const { path, from, to, sizeBytes } of chain) {
    const limits = { maxBytes: Math.max(1, sizeBytes) * mostUnpacked }
    for await (const line of readBlobList(createReadStream(join(folder, path)), { channel, from, to }, limits)) {
      // The newest list speaks first.
      if (line.sign !== '-' && !generations.has(line.digest)) generations.set(line.digest, line.generation)
    }
  }
  const since = chain.at(-1)?.from ?? generation
  return { generationOf: (digest) => generations.get(digest) ?? (since === 0 ? undefined : since) }
}

async function listFiles(folder: string): Promise<ListFile[]> {
  const names = await readdir(join(folder, 'lists')).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return []
    throw error
  })
  const files: ListFile[] = []
  for (const name of names) {
    const path = `lists/${name}`
    const parsed = parseTreePath(path)
    if (parsed?.kind !== 'list') continue
    // Thinned out meanwhile: as if it had never been.
    const found = await stat(join(folder, path)).catch(() => undefined)
    if (found) files.push({ path, from: parsed.from, to: parsed.to, sizeBytes: found.size })
  }
  return files
}

/** From `generation` as far back as `maxBytes` reach, in the widest steps that fit; they may overlap. What leads beyond belongs to a
 *  generation that is being written. */
function chainBack(files: readonly ListFile[], generation: number, maxBytes: number): readonly ListFile[] {
  const chain: ListFile[] = []
  let leftBytes = maxBytes
  for (let at = generation; at > 0; ) {
    const fitting = files.filter(
      ({ from, to, sizeBytes }) => from < at && at <= to && to <= generation && sizeBytes <= leftBytes,
    )
    const [widest] = fitting.sort((a, b) => a.from - b.from)
    if (!widest) break
    chain.push(widest)
    leftBytes -= widest.sizeBytes
    at = widest.from
  }
  return chain
}
