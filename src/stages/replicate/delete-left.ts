// Deletes what left the list, after the grace: the front door forgot it first, then the list dropped it, so by then no
// client is sent here for it.

import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { blobPath } from '#oci/digest.ts'
import { alignByDigest, nothing } from './align-by-digest.ts'
import { type DigestLine, readDigestLines, writeDigestLines } from './digest-lines.ts'
import { listTreeFiles, type ReplicaFolder, readHeldList } from './replica-folder.ts'

export type DeleteTimes = { readonly nowMs: number; readonly graceMs: number }

/** How many were deleted. `shown`: the held list of what the copy shows while another generation is on its way; nothing of it goes.
 *  Without it everything must be in place, so that `left` names nothing that any list still has. */
export async function deleteDueBlobs(
  replica: ReplicaFolder,
  { nowMs, graceMs }: DeleteTimes,
  shown?: { readonly channel: string; readonly generation: number },
): Promise<number> {
  const isDue = ({ number }: DigestLine) => number + graceMs <= nowMs
  let deleted = 0
  for await (const line of readDigestLines(replica.left)) if (isDue(line)) deleted++
  if (deleted === 0) return 0
  deleted = 0
  await writeDigestLines(replica.left, async (left) => {
    const kept = shown ? readHeldList(replica, shown.channel, shown.generation) : nothing()
    for await (const [line, isKept] of alignByDigest(readDigestLines(replica.left), kept)) {
      if (!line) continue
      if (isKept || !isDue(line)) {
        await left.add(line)
        continue
      }
      await rm(join(replica.folder, blobPath(line.digest)), { force: true })
      deleted++
    }
  })
  return deleted
}

/** Lists, packs and metadata that are not in `named`, with the time since when. Those that are due are deleted. */
export async function deleteLeftFiles(
  folder: string,
  named: ReadonlySet<string>,
  known: Readonly<Record<string, number>>,
  { nowMs, graceMs }: DeleteTimes,
): Promise<Record<string, number>> {
  const left: Record<string, number> = {}
  for (const path of await listTreeFiles(folder)) {
    if (named.has(path)) continue
    const leftAtMs = known[path] ?? nowMs
    if (leftAtMs + graceMs <= nowMs) await rm(join(folder, path), { force: true })
    else left[path] = leftAtMs
  }
  return left
}
