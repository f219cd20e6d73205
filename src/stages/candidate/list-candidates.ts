// Candidates: what the builders pushed, newest first, before anybody promoted it.

import type { BlobStore } from '#blobs/blob-store.ts'
import {
  findManifest,
  findTaggedManifest,
  listReferences,
  listReferrers,
  type ManifestReference,
} from '#catalogue/manifests.ts'
import { findRepositoryId } from '#catalogue/repositories.ts'
import type { Catalogue } from '#catalogue/schema.ts'
import type { Digest } from '#oci/digest.ts'
import { RegistryError } from '#oci/errors.ts'
import { manifestKindOf } from '#oci/media-type.ts'
import type { ImageReference } from '#oci/reference.ts'
import { type ImageFacts, readImageFacts } from './read-image-facts.ts'

const mostConfigBytes = 16 << 20

export type CandidateStores = { readonly catalogue: Catalogue; readonly blobs: BlobStore; readonly channel: string }

export type Candidate = {
  readonly repository: string
  readonly tag: string
  readonly digest: Digest
  readonly mediaType: string
  readonly pushedAtMs: number
}

export async function listCandidates(
  { catalogue, channel }: CandidateStores,
  filter: { readonly repository?: string; readonly limit: number },
): Promise<Candidate[]> {
  let query = catalogue
    .selectFrom('tags')
    .innerJoin('repositories', 'repositories.id', 'tags.repository_id')
    .innerJoin('manifests', 'manifests.digest', 'tags.digest')
    .select(['name', 'tag', 'tags.digest', 'media_type', 'updated_at_ms'])
    .where('channel', '=', channel)
    .orderBy('updated_at_ms', 'desc')
    .orderBy('name')
    .orderBy('tag')
    .limit(filter.limit)
  if (filter.repository !== undefined) query = query.where('name', '=', filter.repository)
  return (await query.execute()).map((row) => ({
    repository: row.name,
    tag: row.tag,
    digest: row.digest as Digest,
    mediaType: row.media_type,
    pushedAtMs: row.updated_at_ms,
  }))
}

export type CandidateDetail = {
  readonly repository: string
  readonly digest: Digest
  readonly mediaType: string
  readonly sizeBytes: number
  readonly artifactType: string | undefined
  /** One for an image, one per platform for an index. */
  readonly images: readonly (ImageFacts & {
    readonly digest: Digest
    readonly layers: readonly { digest: Digest; sizeBytes: number; isForeign: boolean }[]
  })[]
  readonly referrers: readonly { readonly digest: Digest; readonly artifactType: string | undefined }[]
}

/** Throws RegistryError MANIFEST_UNKNOWN. */
export async function describeCandidate(
  { catalogue, blobs, channel }: CandidateStores,
  { name, reference }: ImageReference,
): Promise<CandidateDetail> {
  const repositoryId = await findRepositoryId(catalogue, name)
  const row =
    reference.kind === 'digest'
      ? await findManifest(catalogue, name, channel, reference.digest)
      : await findTaggedManifest(catalogue, name, channel, reference.tag)
  if (repositoryId === undefined || !row) throw new RegistryError('MANIFEST_UNKNOWN', `${name} has no such candidate`)
  const own = await listReferences(catalogue, [row.digest])
  const images =
    manifestKindOf(row.mediaType) === 'index'
      ? own.filter((part) => part.role === 'child').map((part) => part.digest)
      : [row.digest]
  return {
    repository: name,
    digest: row.digest,
    mediaType: row.mediaType,
    sizeBytes: row.sizeBytes,
    artifactType: row.artifactType,
    images: await describeImages({ catalogue, blobs }, images, new Map([[row.digest, own]])),
    referrers: (await listReferrers(catalogue, repositoryId, channel, [row.digest])).map((one) => ({
      digest: one.digest,
      artifactType: one.artifactType,
    })),
  }
}

/** One after the other, and no more of their configs than `mostConfigBytes`: an index may name thousands of images. */
async function describeImages(
  { catalogue, blobs }: Pick<CandidateStores, 'catalogue' | 'blobs'>,
  digests: readonly Digest[],
  known: ReadonlyMap<Digest, readonly ManifestReference[]>,
): Promise<CandidateDetail['images']> {
  const images: CandidateDetail['images'][number][] = []
  let left = mostConfigBytes
  for (const digest of digests) {
    const parts = known.get(digest) ?? (await listReferences(catalogue, [digest]))
    const config = parts.find((part) => part.role === 'config')
    left -= config?.sizeBytes ?? 0
    images.push({
      digest,
      ...(await readImageFacts(blobs, left < 0 ? undefined : config)),
      layers: parts
        .filter((part) => part.role === 'layer')
        .map((part) => ({ digest: part.digest, sizeBytes: part.sizeBytes, isForeign: part.isForeign })),
    })
  }
  return images
}
