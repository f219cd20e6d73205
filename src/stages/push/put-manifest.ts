// A manifest is taken when everything it refers to is here; then its bytes are made durable, and one transaction records it, its tags
// and the event.

import { randomUUID } from 'node:crypto'
import { StorageFull } from '#blobs/blob-store.ts'
import { digestOf } from '#blobs/hashing.ts'
import { findRepositoryBlobs } from '#catalogue/blobs.ts'
import { appendChanges, manifestKey, recordAct } from '#catalogue/channels.ts'
import { emit } from '#catalogue/events.ts'
import { addManifest, findChannelManifests } from '#catalogue/manifests.ts'
import { ensureRepository, findRepositoryId } from '#catalogue/repositories.ts'
import { algorithmOf, type Digest } from '#oci/digest.ts'
import { RegistryError } from '#oci/errors.ts'
import { isForeign, type Manifest, parseManifest } from '#oci/manifest.ts'
import type { RepositoryName, Tag } from '#oci/name.ts'
import type { PushStores } from './push-stores.ts'

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
  await checkReferences(put.name, digest, manifest, stores)
  await stores.blobs.put(digest, put.bytes).catch((error) => {
    if (error instanceof StorageFull) throw new RegistryError('STORAGE_FULL', error.message, { cause: error })
    throw error
  })
  await record(put, digest, manifest, stores)
  return { digest, subject: manifest.subject?.digest }
}

async function checkReferences(
  name: RepositoryName,
  digest: Digest,
  manifest: Manifest,
  { catalogue, blobs, channel }: PushStores,
): Promise<void> {
  const repositoryId = await findRepositoryId(catalogue, name)
  const needed = [...(manifest.config ? [manifest.config] : []), ...manifest.layers]
  const held =
    repositoryId === undefined
      ? new Map<string, number>()
      : await findRepositoryBlobs(catalogue, repositoryId, unique(needed))
  for (const descriptor of needed) {
    const sizeBytes = held.get(descriptor.digest)
    if (sizeBytes === undefined) {
      if (isForeign(descriptor)) continue
      throw new RegistryError('MANIFEST_BLOB_UNKNOWN', `${name} holds no blob ${descriptor.digest}: push it first`)
    }
    if (sizeBytes !== descriptor.size) {
      throw new RegistryError(
        'MANIFEST_INVALID',
        `${descriptor.digest} is said to have ${descriptor.size} bytes, it has ${sizeBytes}`,
      )
    }
  }
  // A row alone is no proof: bytes that were lost or damaged since must be pushed again before anything is built on them.
  await Promise.all(
    unique(needed).map(async (blob) => {
      const sizeBytes = held.get(blob)
      if (sizeBytes !== undefined && (await blobs.stat(blob))?.sizeBytes !== sizeBytes) {
        throw new RegistryError('MANIFEST_BLOB_UNKNOWN', `the bytes of ${blob} are damaged: push the blob again`)
      }
    }),
  )
  const children = unique(manifest.children)
  if (children.includes(digest)) throw new RegistryError('MANIFEST_INVALID', 'the index contains itself')
  const known = new Map(
    repositoryId === undefined
      ? []
      : (await findChannelManifests(catalogue, repositoryId, channel, children)).map(
          (row) => [row.digest, row] as const,
        ),
  )
  for (const child of manifest.children) {
    const row = known.get(child.digest)
    if (!row)
      throw new RegistryError(
        'MANIFEST_BLOB_UNKNOWN',
        `${name} holds no manifest ${child.digest}: push it before its index`,
      )
    if (row.sizeBytes !== child.size) {
      throw new RegistryError(
        'MANIFEST_INVALID',
        `${child.digest} is said to have ${child.size} bytes, it has ${row.sizeBytes}`,
      )
    }
  }
}

function unique(descriptors: readonly { readonly digest: Digest }[]): Digest[] {
  return [...new Set(descriptors.map((one) => one.digest))]
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
