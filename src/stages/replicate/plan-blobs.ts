import { lstat, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { hashFile } from '#kit/hash-file.ts'
import { algorithmOf, blobPath, type Digest, hexOf } from '#oci/digest.ts'
import type { ListedBlob } from '#snapshots/blob-list.ts'
import { cheapestChain, type TreeContents } from '#snapshots/tree-contents.ts'
import { alignByDigest, applyDelta, nothing } from './align-by-digest.ts'
import { readDigestLines, writeDigestLines } from './digest-lines.ts'
import { type ReplicaFolder, readHeldList, readListFile, walkBlobs } from './replica-folder.ts'
import { ReplicateError } from './replicate-error.ts'

export type Plan = {
  /** What the copy will carry. */
  readonly count: number
  readonly sizeBytes: number
  readonly missingFiles: number
  readonly missingBytes: number
  readonly damagedFiles: number
  /** Files that no list named, ever; left alone unless they are to be pruned. */
  readonly strayFiles: number
}

export type PlanOptions = {
  readonly replica: ReplicaFolder
  readonly channel: string
  /** What the copy is to carry, sorted by digest. */
  readonly wanted: AsyncIterable<ListedBlob>
  /** The generation of the held list; 0: there is none. */
  readonly held: number
  /** All that the held list names is here for certain; else the files themselves are looked at. */
  readonly isHeldSure: boolean
  readonly isPrune: boolean
  readonly nowMs: number
  readonly stop: AbortSignal
}

/** All blobs of the generation, by the cheapest chain of lists in the folder. `base`: a generation of which the held list names every
 *  blob; 0: none. */
export function wantedBlobs(replica: ReplicaFolder, contents: TreeContents, base: number): AsyncIterable<ListedBlob> {
  const { channel, generation, lists } = contents
  const chain = cheapestChain(lists, base, generation)
  if (!chain) throw new ReplicateError('source', `no chain of lists leads to generation ${generation}`)
  let blobs: AsyncIterable<ListedBlob> | undefined
  if (chain[0]?.from !== 0) blobs = readHeldList(replica, channel, base)
  for (const { path, from, to } of chain) {
    const list = readListFile(join(replica.folder, path), { channel, from, to })
    blobs = blobs ? applyDelta(blobs, list) : list
  }
  return blobs!
}

/** Leaves the work list in `todo` and brings `left` up to date; damaged files are deleted at once. */
export function planBlobs(options: PlanOptions): Promise<Plan> {
  const { replica, channel, wanted, held, isHeldSure, isPrune, nowMs, stop } = options
  const files = isHeldSure ? nothing() : walkBlobs(replica.folder)
  const before = held > 0 ? readHeldList(replica, channel, held) : nothing()
  const plan = { count: 0, sizeBytes: 0, missingFiles: 0, missingBytes: 0, damagedFiles: 0, strayFiles: 0 }
  return writeDigestLines(replica.left, (left) =>
    writeDigestLines(replica.todo, async (todo) => {
      for await (const row of alignByDigest(wanted, before, files, readDigestLines(replica.left))) {
        stop.throwIfAborted()
        const [blob, old, file, gone] = row
        if (!blob) {
          const { digest } = (old ?? file ?? gone)!
          if (old || gone || isPrune) await left.add({ digest, number: gone?.number ?? nowMs })
          else plan.strayFiles++
          continue
        }
        plan.count++
        plan.sizeBytes += blob.sizeBytes
        if (isHeldSure && old) continue
        const path = join(replica.folder, blobPath(blob.digest))
        const state = await lookAt(path, blob)
        if (state === 'right') continue
        if (state === 'wrong') {
          plan.damagedFiles++
          await rm(path, { recursive: true, force: true })
        }
        plan.missingFiles++
        plan.missingBytes += blob.sizeBytes
        await todo.add({ digest: blob.digest, number: blob.sizeBytes })
      }
      return plan
    }),
  )
}

async function lookAt(path: string, blob: ListedBlob): Promise<'right' | 'wrong' | 'missing'> {
  const found = await lstat(path).catch(() => undefined)
  if (!found) return 'missing'
  return found.isFile() && found.size === blob.sizeBytes ? 'right' : 'wrong'
}

export async function hasDigest(path: string, digest: Digest): Promise<boolean> {
  return (await hashFile(path, algorithmOf(digest))) === hexOf(digest)
}
