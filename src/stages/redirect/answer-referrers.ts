// What refers to a digest, as an image index made from the snapshot; never 404 while the repository is there.
import { type Answer, refuse } from '#http/answer.ts'
import { parseDigest } from '#oci/digest.ts'
import { mediaTypes } from '#oci/media-type.ts'
import type { View } from '#snapshots/holder.ts'
import type { PublishedManifest, PublishedRepository } from '#snapshots/publication.ts'
import type { PublicationIndex } from '#snapshots/publication-index.ts'
import { queryValue } from './query.ts'
import { listHeaders } from './v2-headers.ts'

/** A page that stays well below the 4 MiB that clients read of an index. */
const maxPageBytes = 3 * 1024 * 1024

function descriptorOf({ digest, mediaType, sizeBytes, artifactType, annotations }: PublishedManifest): string {
  return JSON.stringify({ mediaType, digest, size: sizeBytes, artifactType, annotations })
}

export function answerReferrers(
  about: {
    readonly repository: PublishedRepository
    readonly publication: PublicationIndex
    readonly view: View
    readonly reference: string
  },
  query: string,
): Answer {
  const { repository, publication, view, reference } = about
  const subject = parseDigest(reference)
  if (!subject) return refuse('DIGEST_INVALID', 'the digest is not well formed')
  const artifactType = queryValue(query, 'artifactType')
  const last = queryValue(query, 'last') ?? ''
  const descriptors: string[] = []
  let bytes = 0
  let link: string | undefined
  let before = last
  for (const manifest of repository.referrers.get(subject) ?? []) {
    if (manifest.digest <= last || view.withdrawals.reasons.has(manifest.digest)) continue
    if (artifactType && manifest.artifactType !== artifactType) continue
    const descriptor = descriptorOf(manifest)
    bytes += Buffer.byteLength(descriptor)
    if (bytes > maxPageBytes && descriptors.length > 0) {
      const filter = artifactType ? `artifactType=${encodeURIComponent(artifactType)}&` : ''
      link = `</v2/${repository.name}/referrers/${subject}?${filter}last=${encodeURIComponent(before)}>; rel="next"`
      break
    }
    descriptors.push(descriptor)
    before = manifest.digest
  }
  return {
    status: 200,
    headers: {
      ...listHeaders(publication),
      'content-type': mediaTypes.ociIndex,
      'cache-control': 'no-cache',
      ...(artifactType && { 'oci-filters-applied': 'artifactType' }),
      ...(link && { link }),
    },
    body: `{"schemaVersion":2,"mediaType":"${mediaTypes.ociIndex}","manifests":[${descriptors.join(',')}]}`,
  }
}
