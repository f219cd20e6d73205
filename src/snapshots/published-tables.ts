// The two kinds of table that a published repository has.
import { type PackedKind, PackedTable } from './packed-table.ts'
import type { BlobTable, ManifestDetail, ManifestTable, PublishedBlob, PublishedManifest } from './publication.ts'

export const manifestKind: PackedKind<PublishedManifest, ManifestDetail> = {
  // Most manifests say nothing but their type.
  keyOf: ({ mediaType, artifactType, annotations, subject }) =>
    artifactType === undefined && annotations === undefined && subject === undefined ? mediaType : undefined,
  make: (digest, sizeBytes, bytes, { mediaType, artifactType, annotations, subject }) => ({
    digest,
    mediaType,
    sizeBytes,
    bytes: bytes!,
    artifactType,
    annotations,
    subject,
  }),
}

export const blobKind: PackedKind<PublishedBlob, number> = {
  keyOf: (detail) => detail,
  make: (digest, sizeBytes, small, detail) => ({
    digest,
    sizeBytes,
    generation: Math.abs(detail),
    small,
    isConfig: detail < 0,
  }),
}

const nowhere = { path: '', payloadStart: 0 }
export const noManifests: ManifestTable = PackedTable.of(manifestKind, [], nowhere)
export const noBlobs: BlobTable = PackedTable.of(blobKind, [], nowhere)
