import { findRepositoryBlob } from '#catalogue/blobs.ts'
import type { Digest } from '#oci/digest.ts'
import type { RepositoryName } from '#oci/name.ts'
import type { PushStores } from './push-stores.ts'

/** The size, if the repository holds the blob and its file has that size: a damaged one is as good as absent, so that clients push it again. */
export async function findIntactBlob(
  name: RepositoryName,
  digest: Digest,
  { catalogue, blobs }: Pick<PushStores, 'catalogue' | 'blobs'>,
): Promise<number | undefined> {
  const row = await findRepositoryBlob(catalogue, name, digest)
  if (!row) return undefined
  const stat = await blobs.stat(digest)
  return stat?.sizeBytes === row.sizeBytes ? row.sizeBytes : undefined
}
