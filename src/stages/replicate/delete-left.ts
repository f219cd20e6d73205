// Deletes what left the list, after the grace: the front door forgot it first, then the list dropped it, so by then no
// client is sent here for it.

import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { blobPath } from '#oci/digest.ts'
import { readDigestLines, writeDigestLines } from './digest-lines.ts'
import { listTreeFiles, type ReplicaFolder } from './replica-folder.ts'

/** Only when everything of the generation is in place: `left` then names nothing that any list still has. */
export async function deleteLeftBlobs(replica: ReplicaFolder, nowMs: number, graceMs: number): Promise<number> {
  const isDue = (leftAtMs: number) => leftAtMs + graceMs <= nowMs
  let due = 0
  for await (const { number } of readDigestLines(replica.left)) if (isDue(number)) due++
  if (due === 0) return 0
  for await (const { digest, number } of readDigestLines(replica.left)) {
    if (isDue(number)) await rm(join(replica.folder, blobPath(digest)), { force: true })
  }
  await writeDigestLines(replica.left, async (left) => {
    for await (const line of readDigestLines(replica.left)) if (!isDue(line.number)) await left.add(line)
  })
  return due
}

/** Lists, packs and metadata that are not in `named`, with the time since when. Those that are due are deleted. */
export async function deleteLeftFiles(
  folder: string,
  named: ReadonlySet<string>,
  known: Readonly<Record<string, number>>,
  times: { readonly nowMs: number; readonly graceMs: number },
): Promise<Record<string, number>> {
  const left: Record<string, number> = {}
  for (const path of await listTreeFiles(folder)) {
    if (named.has(path)) continue
    const leftAtMs = known[path] ?? times.nowMs
    if (leftAtMs + times.graceMs <= times.nowMs) await rm(join(folder, path), { force: true })
    else left[path] = leftAtMs
  }
  return left
}
