// A manifest may refer only to what its repository holds, by the size that it has. A subject may be missing; so may a layer that
// lives elsewhere.

import type { BlobStore } from '#blobs/blob-store.ts'
import { findRepositoryBlobs } from '#catalogue/blobs.ts'
import { findChannelManifests } from '#catalogue/manifests.ts'
import { findRepositoryId } from '#catalogue/repositories.ts'
import type { Reader } from '#catalogue/schema.ts'
import type { Descriptor } from '#oci/descriptor.ts'
import type { Digest } from '#oci/digest.ts'
import { RegistryError } from '#oci/errors.ts'
import { isForeign, type Manifest } from '#oci/manifest.ts'
import type { RepositoryName } from '#oci/name.ts'

/** By the catalogue alone. Gives the sizes of the blobs that must have their bytes here. */
export async function checkReferences(
  db: Reader,
  name: RepositoryName,
  channel: string,
  manifest: Manifest,
): Promise<ReadonlyMap<Digest, number>> {
  const repositoryId = await findRepositoryId(db, name)
  const held = new Map<Digest, number>()
  const blobs = manifest.config ? [manifest.config, ...manifest.layers] : manifest.layers
  const sizes =
    repositoryId === undefined
      ? new Map<string, number>()
      : await findRepositoryBlobs(db, repositoryId, uniqueDigests(blobs))
  for (const blob of blobs) {
    const sizeBytes = sizes.get(blob.digest)
    if (sizeBytes === undefined) {
      if (blob !== manifest.config && isForeign(blob)) continue
      throw new RegistryError('MANIFEST_BLOB_UNKNOWN', `${name} holds no blob ${blob.digest}: push it first`)
    }
    checkSize(blob, sizeBytes)
    held.set(blob.digest, sizeBytes)
  }
  const children =
    repositoryId === undefined
      ? []
      : await findChannelManifests(db, repositoryId, channel, uniqueDigests(manifest.children))
  const childSizes = new Map(children.map((row) => [row.digest, row.sizeBytes]))
  for (const child of manifest.children) {
    const sizeBytes = childSizes.get(child.digest)
    if (sizeBytes === undefined) {
      throw new RegistryError(
        'MANIFEST_BLOB_UNKNOWN',
        `${name} holds no manifest ${child.digest}: push it before its index`,
      )
    }
    checkSize(child, sizeBytes)
  }
  return held
}

/** A row alone is no proof: bytes that were lost or damaged since must be pushed again before anything is built on them. */
export async function checkBytes(sizes: ReadonlyMap<Digest, number>, blobs: BlobStore): Promise<void> {
  await Promise.all(
    [...sizes].map(async ([digest, sizeBytes]) => {
      if ((await blobs.stat(digest))?.sizeBytes === sizeBytes) return
      throw new RegistryError('MANIFEST_BLOB_UNKNOWN', `the bytes of ${digest} are damaged: push the blob again`)
    }),
  )
}

function checkSize({ digest, size }: Descriptor, sizeBytes: number): void {
  if (size === sizeBytes) return
  throw new RegistryError('MANIFEST_INVALID', `${digest} is said to have ${size} bytes, it has ${sizeBytes}`)
}

function uniqueDigests(descriptors: readonly Descriptor[]): Digest[] {
  return [...new Set(descriptors.map((one) => one.digest))]
}
