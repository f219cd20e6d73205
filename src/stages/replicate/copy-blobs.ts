import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { blobPath } from '#oci/digest.ts'
import { writeBlobList } from '#snapshots/blob-list.ts'
import type { TreeContents } from '#snapshots/tree-contents.ts'
import { type Copying, keepFloor } from './copying.ts'
import { readDigestLines } from './digest-lines.ts'
import { fetchAll } from './fetch-all.ts'
import type { WantedFile } from './fetch-file.ts'
import { type Plan, planBlobs, wantedBlobs } from './plan-blobs.ts'
import { findHeldGeneration, heldListPath, type ReplicaFolder, syncBlobFolders } from './replica-folder.ts'

/** Brings every blob of the generation into the folder, and the held list beside them. `known`: the generation
 *  that is all here already; 0: unknown, so every file is looked at. */
export async function copyBlobs(contents: TreeContents, known: number, copying: Copying): Promise<Plan> {
  const { replica, options, tools, fetching, meter } = copying
  const held = await findHeldGeneration(replica)
  const complete = held === known ? known : 0
  meter.enter('look', { files: 0, bytes: 0 })
  const { isCheck, isPrune } = options
  const about = { complete, held, isCheck, isPrune, nowMs: tools.now(), stop: tools.stop }
  const plan = await planBlobs({ replica, contents, ...about })
  const begunBytes = await sizeOfParts(replica)
  await keepFloor(replica.folder, Math.max(0, plan.missingBytes - begunBytes), options, tools)
  meter.enter('blobs', { files: plan.missingFiles, bytes: plan.missingBytes })
  await fetchAll(todo(replica), fetching)
  await syncBlobFolders(replica.folder)
  const { channel, generation } = contents
  const header = { channel, from: 0, to: generation, count: plan.count }
  await writeBlobList(heldListPath(replica, generation), header, signless(wantedBlobs(replica, contents, complete)))
  return plan
}

async function* todo(replica: ReplicaFolder): AsyncGenerator<WantedFile> {
  for await (const { digest, number } of readDigestLines(replica.todo)) {
    yield { path: blobPath(digest), digest, sizeBytes: number }
  }
}

async function* signless(blobs: ReturnType<typeof wantedBlobs>) {
  for await (const blob of blobs) yield { ...blob, sign: '' as const }
}

async function sizeOfParts({ parts }: ReplicaFolder): Promise<number> {
  let bytes = 0
  for (const name of await readdir(parts)) bytes += (await stat(join(parts, name))).size
  return bytes
}
