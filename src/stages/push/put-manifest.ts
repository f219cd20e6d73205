// A manifest is taken when everything it refers to is here; then its bytes are made durable, and one transaction records it, its tags
// and the event.

import { randomUUID } from 'node:crypto'
import { digestOf } from '#blobs/hashing.ts'
import { appendChanges, manifestKey, recordAct } from '#catalogue/channels.ts'
import { emit } from '#catalogue/events.ts'
import { addManifest } from '#catalogue/manifests.ts'
import { ensureRepository } from '#catalogue/repositories.ts'
import { algorithmOf, type Digest } from '#oci/digest.ts'
import { RegistryError } from '#oci/errors.ts'
import { type Manifest, parseManifest } from '#oci/manifest.ts'
import type { RepositoryName, Tag } from '#oci/name.ts'
import { checkBytes, checkReferences } from './check-references.ts'
import type { PushStores } from './push-stores.ts'
import { withStoreErrors } from './store-errors.ts'

export type ManifestPut = {
  readonly name: RepositoryName
  readonly bytes: Uint8Array
  readonly contentType: string | undefined
  /** What the client says the bytes have; undefined when it pushed by tag. */
  readonly digest: Digest | undefined
  readonly tags: readonly Tag[]
  readonly actor: string
}

export async function putManifest(
  put: ManifestPut,
  stores: PushStores,
): Promise<{ digest: Digest; subject: Digest | undefined }> {
  const digest = digestOf(put.bytes, put.digest ? algorithmOf(put.digest) : 'sha256')
  if (put.digest && put.digest !== digest) {
    throw new RegistryError('DIGEST_INVALID', `the manifest was pushed as ${put.digest}, its bytes have ${digest}`)
  }
  const manifest = parseManifest(put.bytes, put.contentType, stores.limits)
  const needed = await checkReferences(stores.catalogue, put.name, stores.channel, manifest)
  await checkBytes(needed, stores.blobs)
  await withStoreErrors(stores.blobs.put(digest, put.bytes))
  await record(put, digest, manifest, stores)
  return { digest, subject: manifest.subject?.digest }
}

async function record(
  put: ManifestPut,
  digest: Digest,
  manifest: Manifest,
  { catalogue, channel, now }: PushStores,
): Promise<void> {
  await catalogue.transaction().execute(async (tx) => {
    const atMs = now()
    const act = randomUUID()
    // Again, and now nobody can delete between the look and the row.
    await checkReferences(tx, put.name, channel, manifest)
    const repositoryId = await ensureRepository(tx, put.name, atMs)
    await addManifest(tx, digest, put.bytes.length, manifest, { atMs })
    const changes = [{ key: manifestKey(digest), digest }, ...put.tags.map((tag) => ({ key: tag as string, digest }))]
    const { version, applied } = await appendChanges(tx, { repositoryId, channel }, changes, { id: act, atMs })
    if (applied.length === 0) return
    await recordAct(tx, { id: act, kind: 'push', actor: put.actor }, atMs)
    await emit(tx, {
      type: 'manifest.pushed',
      subject: `${put.name}@${digest}`,
      data: {
        repository: put.name,
        channel,
        version,
        digest,
        mediaType: manifest.mediaType,
        sizeBytes: put.bytes.length,
        tags: put.tags,
        actor: put.actor,
      },
      atMs,
    })
  })
}
