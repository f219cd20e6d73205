// Referrers of a manifest: those pushed with a subject, and those that a client listed in the fallback tag before it knew this endpoint
// (distribution-spec "Listing Referrers", "Enabling the Referrers API").

import { findManifests, type ManifestRow } from '#catalogue/manifests.ts'
import { listReferrerDigests } from '#catalogue/referrers.ts'
import type { Answer } from '#http/answer.ts'
import { algorithmOf, type Digest, hexOf } from '#oci/digest.ts'
import { mediaTypes } from '#oci/media-type.ts'
import { pageAnswer, pageSize } from './page.ts'
import type { RegistryOptions, RepositoryAsk } from './push-stores.ts'
import { requireDigest } from './required-digest.ts'

export async function answerReferrers(
  { name, query }: RepositoryAsk,
  last: string,
  { catalogue, channel, limits, maxPageSize }: RegistryOptions,
): Promise<Answer> {
  const subject = requireDigest(last)
  const limit = pageSize(query, maxPageSize)
  const artifactType = query.get('artifactType') ?? undefined
  const found = await listReferrerDigests(catalogue, {
    name,
    channel,
    subject,
    fallbackTag: fallbackTag(subject),
    artifactType,
    after: query.get('last') ?? '',
    limit: limit + 1,
  })
  const page = found.slice(0, Math.min(limit, countWithin(found, limits.maxManifestBytes)))
  const rows = await findManifests(
    catalogue,
    page.map((one) => one.digest),
  )
  const next = new URLSearchParams({
    ...(artifactType === undefined ? {} : { artifactType }),
    n: String(limit),
    last: page.at(-1)?.digest ?? '',
  })
  const answer = pageAnswer(
    mediaTypes.ociIndex,
    { schemaVersion: 2, mediaType: mediaTypes.ociIndex, manifests: rows.map(toDescriptor) },
    limit > 0 && found.length > page.length ? `/v2/${name}/referrers/${subject}?${next}` : undefined,
  )
  if (artifactType === undefined) return answer
  return { ...answer, headers: { ...answer.headers, 'oci-filters-applied': 'artifactType' } }
}

/** Clients read the list as a manifest, so it may be no larger than one. A descriptor with its annotations is shorter than its manifest. */
function countWithin(found: readonly { readonly sizeBytes: number }[], maxBytes: number): number {
  let sum = 0
  const over = found.findIndex((one) => (sum += one.sizeBytes) > maxBytes)
  return over < 0 ? found.length : Math.max(1, over)
}

function toDescriptor(row: ManifestRow) {
  return {
    mediaType: row.mediaType,
    digest: row.digest,
    size: row.sizeBytes,
    ...(row.artifactType === undefined ? {} : { artifactType: row.artifactType }),
    ...(row.annotations === undefined ? {} : { annotations: row.annotations }),
  }
}

/** The algorithm cut to 32 characters, a dash, the digest cut to 64 (distribution-spec "Referrers Tag Schema"). */
export function fallbackTag(subject: Digest): string {
  return `${algorithmOf(subject).slice(0, 32)}-${hexOf(subject).slice(0, 64)}`
}
