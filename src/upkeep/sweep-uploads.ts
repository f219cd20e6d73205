import type { BlobStore } from '#blobs/blob-store.ts'

/** Drops uploads that nobody touched for `ageMs`; tells how many. */
export async function sweepUploads(blobs: BlobStore, ageMs: number, nowMs: number): Promise<number> {
  let dropped = 0
  for await (const { id, modifiedMs } of blobs.listUploads()) {
    if (nowMs - modifiedMs < ageMs) continue
    const upload = await blobs.findUpload(id)
    await upload?.cancel()
    dropped++
  }
  return dropped
}
