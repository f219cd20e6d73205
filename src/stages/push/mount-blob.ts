import { addRepositoryBlob, findRepositoryBlob, listBlobRepositories } from '#catalogue/blobs.ts'
import { ensureRepository } from '#catalogue/repositories.ts'
import type { Digest } from '#oci/digest.ts'
import type { RepositoryName } from '#oci/name.ts'
import type { PushStores } from './push-stores.ts'

export type Mount = {
  readonly name: RepositoryName
  readonly digest: Digest
  /** Undefined: any repository that the caller may read. */
  readonly source: RepositoryName | undefined
  readonly mayRead: (name: RepositoryName) => boolean
}

/** How many repositories a mount without a source looks at. */
const maxSources = 100

/** False: not mounted, the client goes on with an upload. It learns nothing about repositories that it may not read. */
export async function mountBlob(
  { name, digest, source, mayRead }: Mount,
  { catalogue, blobs, now }: PushStores,
): Promise<boolean> {
  const sources = source ? [source] : await listBlobRepositories(catalogue, digest, maxSources)
  const readable = sources.find(mayRead)
  if (!readable) return false
  const found = await findRepositoryBlob(catalogue, readable, digest)
  if (!found || (await blobs.stat(digest))?.sizeBytes !== found.sizeBytes) return false
  await catalogue.transaction().execute(async (tx) => {
    const repositoryId = await ensureRepository(tx, name, now())
    await addRepositoryBlob(tx, repositoryId, digest, found.sizeBytes, now())
  })
  return true
}
