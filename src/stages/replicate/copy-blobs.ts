import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { blobPath } from '#oci/digest.ts'
import { type ListedBlob, writeBlobList } from '#snapshots/blob-list.ts'
import type { TreeContents } from '#snapshots/tree-contents.ts'
import type { WantedFile } from './arriving-file.ts'
import { chooseBlobs, filtered } from './choose-blobs.ts'
import { type Copying, keepFloor } from './copying.ts'
import { deleteDueBlobs } from './delete-left.ts'
import { readDigestLines } from './digest-lines.ts'
import { fetchAll } from './fetch-all.ts'
import { type Plan, planBlobs, wantedBlobs } from './plan-blobs.ts'
import { findHeldGeneration, hasHeldList, heldListPath, type ReplicaFolder, syncBlobFolders } from './replica-folder.ts'

export type KnownBlobs = {
  /** The generation that is all here already, or what was selected of it; 0: unknown, so every file is looked at. */
  readonly complete: number
  /** Nothing was left out of it. */
  readonly isWhole: boolean
  /** To be called before any of this stops being so. */
  readonly forget: () => Promise<void>
}

/** Brings every blob that is wanted of the generation into the folder, and the held list beside them. */
export async function copyBlobs(contents: TreeContents, known: KnownBlobs, copying: Copying): Promise<Plan> {
  const { replica, options, tools, blobFetching, meter } = copying
  const { channel, generation } = contents
  const held = await findHeldGeneration(replica)
  const isHeldSure = held > 0 && held === known.complete
  meter.enter('look', { files: 0, bytes: 0 })
  const wants = await chooseBlobs(replica, contents, options)
  const base = isHeldSure && known.isWhole && !wants ? held : 0
  const wanted = () => {
    const all = wantedBlobs(replica, contents, base)
    return wants ? filtered(all, wants) : all
  }
  // What is planned anew for the same generation moves blobs to `left` and replaces its list: until that is done nothing is sure.
  if (known.complete === generation) await known.forget()
  const about = { channel, held, isHeldSure, isPrune: options.isPrune, nowMs: tools.now(), stop: tools.stop }
  const plan = await planBlobs({ replica, wanted: wanted(), ...about })
  await makeRoom(plan.missingBytes, { channel, generation: known.complete }, copying)
  meter.enter('blobs', { files: plan.missingFiles, bytes: plan.missingBytes })
  await fetchAll(todo(replica), blobFetching)
  await syncBlobFolders(replica.folder)
  const header = { channel, from: 0, to: generation, count: plan.count }
  await writeBlobList(heldListPath(replica, generation), header, signless(wanted()))
  return plan
}

/** What is due goes first when there would be too little room: nothing that the copy shows now, though, so nothing where that is not
 *  known. A list of something newer may lie there, which was never shown. */
async function makeRoom(
  missingBytes: number,
  shown: { readonly channel: string; readonly generation: number },
  copying: Copying,
): Promise<void> {
  const { replica, options, tools } = copying
  const comingBytes = Math.max(0, missingBytes - (await sizeOfParts(replica)))
  const isTight = (await tools.freeBytes(replica.folder)) - comingBytes < options.minFreeBytes
  if (isTight && shown.generation > 0 && (await hasHeldList(replica, shown.generation)))
    await deleteDueBlobs(replica, { nowMs: tools.now(), graceMs: options.graceMs }, shown)
  await keepFloor(replica.folder, comingBytes, options, tools)
}

async function* todo(replica: ReplicaFolder): AsyncGenerator<WantedFile> {
  for await (const { digest, number } of readDigestLines(replica.todo)) {
    yield { path: blobPath(digest), digest, sizeBytes: number }
  }
}

async function* signless(blobs: AsyncIterable<ListedBlob>) {
  for await (const blob of blobs) yield { ...blob, sign: '' as const }
}

async function sizeOfParts({ parts }: ReplicaFolder): Promise<number> {
  let bytes = 0
  for (const name of await readdir(parts)) bytes += (await stat(join(parts, name))).size
  return bytes
}
