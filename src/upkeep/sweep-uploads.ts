import { type BlobStore, UploadBusy } from '#blobs/blob-store.ts'

/** Drops uploads that nobody touched for `ageMs`; tells how many. */
export async function sweepUploads(blobs: BlobStore, ageMs: number, nowMs: number): Promise<number> {
  let dropped = 0
  for await (const { id, modifiedMs } of blobs.listUploads()) {
    if (nowMs - modifiedMs < ageMs) continue
    try {
      await blobs.dropUpload(id)
      dropped++
    } catch (error) {
      // Somebody came back to it just now: it is not stale after all.
      if (!(error instanceof UploadBusy)) throw error
    }
  }
  return dropped
}
