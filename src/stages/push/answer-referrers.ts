// Referrers of a manifest: those pushed with a subject, and those that a client listed in the fallback tag before it knew this endpoint
// (distribution-spec "Listing Referrers", "Enabling the Referrers API").

import {
  findChannelManifests,
  findTaggedManifest,
  listReferences,
  listReferrers,
  type ManifestRow,
} from '#catalogue/manifests.ts'
import { findRepositoryId } from '#catalogue/repositories.ts'
import { type Answer, refuse } from '#http/answer.ts'
import { algorithmOf, type Digest, hexOf, parseDigest } from '#oci/digest.ts'
import { mediaTypes } from '#oci/media-type.ts'
import { parsePageSize } from './answer-lists.ts'
import type { RegistryOptions, RepositoryAsk } from './push-stores.ts'

export async function answerReferrers(
  { name, query }: RepositoryAsk,
  last: string,
  options: RegistryOptions,
): Promise<Answer> {
  const subject = parseDigest(last)
  if (!subject)
    return refuse('DIGEST_INVALID', 'referrers are listed by digest: sha256:<64 hex digits> or sha512:<128 hex digits>')
  const limit = parsePageSize(query.get('n'), options.maxPageSize) ?? options.maxPageSize
  const artifactType = query.get('artifactType')
  const after = query.get('last') ?? ''
  const all = (await findReferrers(name, subject, options))
    .filter((row) => artifactType === null || row.artifactType === artifactType)
    .filter((row) => row.digest > after)
  const rows = all.slice(0, limit)
  const next = new URLSearchParams({
    ...(artifactType === null ? {} : { artifactType }),
    n: String(limit),
    last: rows.at(-1)?.digest ?? '',
  })
  return {
    status: 200,
    headers: {
      'content-type': mediaTypes.ociIndex,
      ...(artifactType === null ? {} : { 'oci-filters-applied': 'artifactType' }),
      ...(all.length > rows.length && limit > 0
        ? { link: `</v2/${name}/referrers/${subject}?${next}>; rel="next"` }
        : {}),
    },
    body: JSON.stringify({ schemaVersion: 2, mediaType: mediaTypes.ociIndex, manifests: rows.map(toDescriptor) }),
  }
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

async function findReferrers(
  name: RepositoryAsk['name'],
  subject: Digest,
  { catalogue, channel }: RegistryOptions,
): Promise<ManifestRow[]> {
  const repositoryId = await findRepositoryId(catalogue, name)
  if (repositoryId === undefined) return []
  const rows = new Map(
    (await listReferrers(catalogue, repositoryId, channel, [subject])).map((row) => [row.digest, row]),
  )
  const fallback = await findTaggedManifest(catalogue, name, channel, fallbackTag(subject))
  if (fallback) {
    const children = (await listReferences(catalogue, [fallback.digest])).filter((one) => one.role === 'child')
    for (const row of await findChannelManifests(
      catalogue,
      repositoryId,
      channel,
      children.map((one) => one.digest),
    ))
      rows.set(row.digest, row)
  }
  return [...rows.values()].sort((a, b) => (a.digest < b.digest ? -1 : 1))
}

/** The algorithm cut to 32 characters, a dash, the digest cut to 64 (distribution-spec "Referrers Tag Schema"). */
export function fallbackTag(subject: Digest): string {
  return `${algorithmOf(subject).slice(0, 32)}-${hexOf(subject).slice(0, 64)}`
}
