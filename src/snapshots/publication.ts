// The publication snapshot: what a front door serves. Built from catalogue packs (catalogue-pack.ts), immutable, replaced whole.

import type { Digest } from '#oci/digest.ts'
import type { PackedBytes, PackedTable } from './packed-table.ts'

export type PublishedManifest = {
  readonly digest: Digest
  readonly mediaType: string
  readonly sizeBytes: number
  readonly bytes: PackedBytes
  readonly artifactType: string | undefined
  readonly annotations: Readonly<Record<string, string>> | undefined
  readonly subject: Digest | undefined
}

export type PublishedBlob = {
  readonly digest: Digest
  readonly sizeBytes: number
  /** The first generation whose tree carries it. */
  readonly generation: number
  /** Where its bytes are when it is below `smallBlobBytes`; such a blob is never in the tree. */
  readonly small: PackedBytes | undefined
  /** A large config: clients survive no fault of a host on it, so it is served from here or from the origin. */
  readonly isConfig: boolean
}

export type ManifestDetail = Pick<PublishedManifest, 'mediaType' | 'artifactType' | 'annotations' | 'subject'>
export type ManifestTable = PackedTable<PublishedManifest, ManifestDetail>
/** The detail is the generation, negative of a large config. */
export type BlobTable = PackedTable<PublishedBlob, number>

export type PublishedRepository = {
  readonly name: string
  /** Sorted by tag, ASCII order. */
  readonly tags: ReadonlyMap<string, Digest>
  readonly manifests: ManifestTable
  /** Blobs that some manifest of this repository refers to: membership, so that no repository reads another's. */
  readonly blobs: BlobTable
  /** Manifests by the subject they refer to. */
  readonly referrers: ReadonlyMap<string, readonly PublishedManifest[]>
}

export type Publication = {
  readonly channel: string
  readonly generation: number
  readonly createdAtMs: number
  readonly smallBlobBytes: number
  readonly repositories: ReadonlyMap<string, PublishedRepository>
}
