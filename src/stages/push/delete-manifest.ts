import { randomUUID } from 'node:crypto'
import { appendChanges, type Change, listTagsOfManifest, manifestKey, recordAct } from '#catalogue/channels.ts'
import { emit } from '#catalogue/events.ts'
import { findRepositoryId } from '#catalogue/repositories.ts'
import type { Tx } from '#catalogue/schema.ts'
import { RegistryError } from '#oci/errors.ts'
import type { RepositoryName } from '#oci/name.ts'
import type { Reference } from '#oci/reference.ts'
import type { PushStores } from './push-stores.ts'

/** By tag: the tag goes. By digest: the manifest goes, and every tag of it. Other channels keep what was promoted to them. */
export async function deleteManifest(
  name: RepositoryName,
  reference: Reference,
  actor: string,
  { catalogue, channel, now }: PushStores,
): Promise<void> {
  await catalogue.transaction().execute(async (tx) => {
    const repositoryId = await findRepositoryId(tx, name)
    if (repositoryId === undefined) throw new RegistryError('NAME_UNKNOWN', `there is no repository ${name}`)
    const changes = await changesOf(tx, repositoryId, channel, reference)
    const act = randomUUID()
    const atMs = now()
    const { version, applied } = await appendChanges(tx, { repositoryId, channel }, changes, { id: act, atMs })
    const what = reference.kind === 'tag' ? reference.tag : reference.digest
    if (applied.length === 0) throw new RegistryError('MANIFEST_UNKNOWN', `${name} has no manifest ${what}`)
    await recordAct(tx, { id: act, kind: 'delete', actor }, atMs)
    await emit(tx, {
      type: reference.kind === 'tag' ? 'tag.deleted' : 'manifest.deleted',
      subject: reference.kind === 'tag' ? `${name}:${what}` : `${name}@${what}`,
      data: { repository: name, channel, version, reference: what, actor },
      atMs,
    })
  })
}

async function changesOf(tx: Tx, repositoryId: number, channel: string, reference: Reference): Promise<Change[]> {
  if (reference.kind === 'tag') return [{ key: reference.tag, digest: null }]
  const tags = await listTagsOfManifest(tx, repositoryId, channel, reference.digest)
  return [{ key: manifestKey(reference.digest), digest: null }, ...tags.map((key) => ({ key, digest: null }))]
}
