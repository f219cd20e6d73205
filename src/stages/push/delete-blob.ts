import { randomUUID } from 'node:crypto'
import { findManifestUsingBlob, removeRepositoryBlob } from '#catalogue/blobs.ts'
import { recordAct } from '#catalogue/channels.ts'
import { emit } from '#catalogue/events.ts'
import { findRepositoryId } from '#catalogue/repositories.ts'
import type { Digest } from '#oci/digest.ts'
import { RegistryError } from '#oci/errors.ts'
import type { RepositoryName } from '#oci/name.ts'
import type { PushStores } from './push-stores.ts'

/** Takes the blob out of the repository, unless a manifest of it needs the blob: then that manifest is given back. The bytes stay while
 *  anything may need them; collection takes them later. */
export async function deleteBlob(
  name: RepositoryName,
  digest: Digest,
  actor: string,
  { catalogue, now }: PushStores,
): Promise<string | undefined> {
  return await catalogue.transaction().execute(async (tx) => {
    const repositoryId = await findRepositoryId(tx, name)
    if (repositoryId === undefined) throw new RegistryError('NAME_UNKNOWN', `there is no repository ${name}`)
    const user = await findManifestUsingBlob(tx, repositoryId, digest)
    if (user) return user
    if (!(await removeRepositoryBlob(tx, repositoryId, digest))) {
      throw new RegistryError('BLOB_UNKNOWN', `${name} holds no blob ${digest}`)
    }
    const atMs = now()
    await recordAct(tx, { id: randomUUID(), kind: 'delete', actor, source: `${name}@${digest}` }, atMs)
    await emit(tx, {
      type: 'blob.deleted',
      subject: `${name}@${digest}`,
      data: { repository: name, digest, actor },
      atMs,
    })
    return undefined
  })
}
