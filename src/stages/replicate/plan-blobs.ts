// What a run has to fetch and what has left: the new list beside what the folder holds, streamed, so that memory stays the
// same however long the lists are.

import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { access, lstat, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { algorithmOf, blobPath, type Digest, hexOf } from '#oci/digest.ts'
import type { ListedBlob } from '#snapshots/blob-list.ts'
import { cheapestChain, type Pointer } from '#snapshots/pointer.ts'
import { alignByDigest, applyDelta } from './align-by-digest.ts'
import { readDigestLines, writeDigestLines } from './digest-lines.ts'
import { heldListPath, type ReplicaFolder, readListFile, walkBlobs } from './replica-folder.ts'
import { ReplicateError } from './replicate-error.ts'

export type Plan = {
  /** Blobs of the new list. */
  readonly count: number
  readonly missingFiles: number
  readonly missingBytes: number
  readonly damagedFiles: number
}

export type PlanOptions = {
  readonly replica: ReplicaFolder
  readonly pointer: Pointer
  /** The generation whose held list can be relied on; 0: look at the files themselves. */
  readonly held: number
  /** Read every blob. */
  readonly isCheck: boolean
  readonly nowMs: number
  readonly stop: AbortSignal
}

/** The generation whose list the folder still has, else 0. */
export async function findHeldGeneration(replica: ReplicaFolder, complete: number): Promise<number> {
  if (complete === 0) return 0
  return access(heldListPath(replica, complete)).then(
    () => complete,
    () => 0,
  )
}

/** All blobs of the pointer's generation, by the cheapest chain of lists in the folder. */
export function wantedBlobs(replica: ReplicaFolder, pointer: Pointer, held: number): AsyncIterable<ListedBlob> {
  const { channel, generation, lists } = pointer
  const chain = cheapestChain(lists, held, generation)
  if (!chain) throw new ReplicateError('source', `no chain of lists leads to generation ${generation}`)
  const start = { channel, from: 0, to: held }
  let blobs: AsyncIterable<ListedBlob> | undefined
  if (chain[0]?.from !== 0) blobs = readListFile(heldListPath(replica, held), start)
  for (const { path, from, to } of chain) {
    const list = readListFile(join(replica.folder, path), { channel, from, to })
    blobs = blobs ? applyDelta(blobs, list) : list
  }
  return blobs!
}

/** Leaves the work list in `todo` and brings `left` up to date; damaged files are deleted at once. */
export function planBlobs(options: PlanOptions): Promise<Plan> {
  const { replica, pointer, held, isCheck, nowMs, stop } = options
  const wanted = wantedBlobs(replica, pointer, held)
  const heldSpan = { channel: pointer.channel, from: 0, to: held }
  const present = held > 0 ? readListFile(heldListPath(replica, held), heldSpan) : walkBlobs(replica.folder)
  const plan = { count: 0, missingFiles: 0, missingBytes: 0, damagedFiles: 0 }
  return writeDigestLines(replica.left, (left) =>
    writeDigestLines(replica.todo, async (todo) => {
      for await (const [blob, here, gone] of alignByDigest(wanted, present, readDigestLines(replica.left))) {
        stop.throwIfAborted()
        if (!blob) {
          await left.add({ digest: (here ?? gone)!.digest, number: gone?.number ?? nowMs })
          continue
        }
        plan.count++
        if (held > 0 && here) continue
        const path = join(replica.folder, blobPath(blob.digest))
        const state = await lookAt(path, blob, isCheck)
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

async function lookAt(path: string, blob: ListedBlob, isCheck: boolean): Promise<'right' | 'wrong' | 'missing'> {
  const found = await lstat(path).catch(() => undefined)
  if (!found) return 'missing'
  if (!found.isFile() || found.size !== blob.sizeBytes) return 'wrong'
  return !isCheck || (await hasDigest(path, blob.digest)) ? 'right' : 'wrong'
}

export async function hasDigest(path: string, digest: Digest): Promise<boolean> {
  const hash = createHash(algorithmOf(digest))
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) hash.update(chunk as Buffer)
  return hash.digest('hex') === hexOf(digest)
}
