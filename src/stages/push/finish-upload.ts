import type { Upload } from '#blobs/blob-store.ts'
import { addRepositoryBlob } from '#catalogue/blobs.ts'
import { ensureRepository } from '#catalogue/repositories.ts'
import type { Digest } from '#oci/digest.ts'
import type { RepositoryName } from '#oci/name.ts'
import type { PushStores } from './push-stores.ts'

/** Bytes first, then the row: a crash between the two leaves an orphan that nobody was told of. */
export async function finishUpload(upload: Upload, digest: Digest, { catalogue, now }: PushStores): Promise<void> {
  const { sizeBytes } = await upload.finish(digest)
  await catalogue.transaction().execute(async (tx) => {
    const repositoryId = await ensureRepository(tx, upload.repository as RepositoryName, now())
    await addRepositoryBlob(tx, repositoryId, digest, sizeBytes, now())
  })
}
