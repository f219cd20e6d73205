import { addRepositoryBlob, listBlobRepositories } from '#catalogue/blobs.ts'
import { ensureRepository } from '#catalogue/repositories.ts'
import type { Digest } from '#oci/digest.ts'
import type { RepositoryName } from '#oci/name.ts'
import { findIntactBlob } from './find-intact-blob.ts'
import type { PushStores } from './push-stores.ts'

export type Mount = {
  readonly name: RepositoryName
  readonly digest: Digest
} & (
  | { readonly source: RepositoryName }
  /** Any repository that the caller may pull. */
  | { readonly mayPull: (name: RepositoryName) => boolean }
)

/** How many repositories a mount without a source looks at. */
const maxSources = 1000

/** False: not mounted. The caller learns nothing about repositories that it may not pull. */
export async function mountBlob(mount: Mount, stores: PushStores): Promise<boolean> {
  const { catalogue, now } = stores
  const { name, digest } = mount
  const source =
    'source' in mount ? mount.source : (await listBlobRepositories(catalogue, digest, maxSources)).find(mount.mayPull)
  const sizeBytes = source && (await findIntactBlob(source, digest, stores))
  if (sizeBytes === undefined) return false
  await catalogue.transaction().execute(async (tx) => {
    const repositoryId = await ensureRepository(tx, name, now())
    await addRepositoryBlob(tx, repositoryId, digest, sizeBytes, now())
  })
  return true
}
