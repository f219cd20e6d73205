// What a pack says of one repository: all that generations changed in it, as the last of them has it; or (from version 0) all of it.

import { changesAlong } from '#catalogue/channels.ts'
import type { ChangedRepository } from '#catalogue/generations.ts'
import { findManifests, listReferences } from '#catalogue/manifests.ts'
import type { Reader } from '#catalogue/schema.ts'
import { findTreeBlobs } from '#catalogue/tree-blobs.ts'
import type { Digest } from '#oci/digest.ts'
import type { Tag } from '#oci/name.ts'
import type { PackBlob, PackRepository } from '#snapshots/catalogue-pack.ts'

/** `generation`: in which the tree gets a blob that it does not carry yet. What came and left within a pack is named as removed: a
 *  reader may hold a state of in between. */
export async function describeRepository(
  db: Reader,
  channel: string,
  { repositoryId, name, versions }: ChangedRepository,
  generation: number,
  smallBlobBytes: number,
): Promise<PackRepository> {
  const changes = await changesAlong(db, repositoryId, channel, versions)
  const tagsSet: [Tag, Digest][] = []
  const tagsRemoved: Tag[] = []
  const come: Digest[] = []
  const manifestsRemoved: Digest[] = []
  for (const { key, digest } of changes) {
    if (key.startsWith('@')) {
      if (digest === null) manifestsRemoved.push(key.slice(1) as Digest)
      else come.push(digest)
    } else if (digest === null) tagsRemoved.push(key as Tag)
    else tagsSet.push([key as Tag, digest])
  }
  const manifestsAdded = (await findManifests(db, come.sort())).map(
    ({ digest, mediaType, sizeBytes, artifactType, annotations, subject }) => ({
      digest,
      mediaType,
      sizeBytes,
      artifactType,
      annotations,
      subject,
    }),
  )
  const blobsAdded = await blobsOf(db, channel, come, generation, smallBlobBytes)
  return {
    name,
    tagsSet: tagsSet.sort(([a], [b]) => (a < b ? -1 : 1)),
    manifestsAdded,
    blobsAdded,
    tagsRemoved: tagsRemoved.sort(),
    manifestsRemoved: manifestsRemoved.sort(),
  }
}

/** A layer that lives elsewhere has no bytes here, so no tree or pack can carry it. */
async function blobsOf(
  db: Reader,
  channel: string,
  manifests: readonly Digest[],
  generation: number,
  smallBlobBytes: number,
): Promise<PackBlob[]> {
  const blobs = new Map<Digest, number>()
  const configs = new Set<Digest>()
  for (const part of await listReferences(db, manifests)) {
    if (part.role === 'child' || part.isForeign) continue
    blobs.set(part.digest, part.sizeBytes)
    if (part.role === 'config') configs.add(part.digest)
  }
  const large = [...blobs].filter(([, sizeBytes]) => sizeBytes >= smallBlobBytes).map(([digest]) => digest)
  const inTree = await findTreeBlobs(db, channel, large)
  return [...blobs]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([digest, sizeBytes]) => ({
      digest,
      sizeBytes,
      generation: inTree.get(digest) ?? generation,
      isConfig: configs.has(digest),
    }))
}
