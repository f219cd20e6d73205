import type { Upload } from '#blobs/blob-store.ts'
import { makeBlockChecks } from '#blobs/block-checks.ts'
import { addRepositoryBlob } from '#catalogue/blobs.ts'
import { putBlockChecks } from '#catalogue/block-checks.ts'
import { ensureRepository } from '#catalogue/repositories.ts'
import type { Digest } from '#oci/digest.ts'
import type { RepositoryName } from '#oci/name.ts'
import type { PushStores } from './push-stores.ts'

/** Bytes first, then the row: a crash between the two leaves an orphan that nobody was told of. */
export async function finishUpload(upload: Upload, digest: Digest, stores: PushStores): Promise<void> {
  const { catalogue, blockChecks, now } = stores
  const { sizeBytes } = await upload.finish(digest)
  const checks = await checksOf({ digest, sizeBytes }, stores)
  await catalogue.transaction().execute(async (tx) => {
    const repositoryId = await ensureRepository(tx, upload.repository as RepositoryName, now())
    await addRepositoryBlob(tx, repositoryId, digest, sizeBytes, now())
    if (checks) await putBlockChecks(tx, blockChecks!.key.id, [{ digest, checks }])
  })
}

/** Of blobs that will travel. A push does not fail for want of them: they are made later, and who makes them then says what is wrong. */
async function checksOf(
  blob: { readonly digest: Digest; readonly sizeBytes: number },
  { blobs, blockChecks }: PushStores,
): Promise<Uint8Array | undefined> {
  if (!blockChecks || blob.sizeBytes < blockChecks.fromBytes) return undefined
  return await makeBlockChecks(blobs, blockChecks.key, blob).catch(() => undefined)
}
