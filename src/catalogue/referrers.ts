import type { Digest } from '#oci/digest.ts'
import type { RepositoryName } from '#oci/name.ts'
import type { Reader } from './schema.ts'

export type ReferrerQuery = {
  readonly name: RepositoryName
  readonly channel: string
  readonly subject: Digest
  /** The tag under which clients keep the list for registries without this endpoint. */
  readonly fallbackTag: string
  readonly artifactType: string | undefined
  readonly after: string
  readonly limit: number
}

/** Manifests of the channel that name the subject, or that its fallback tag lists and that name none; in order of digest. */
export async function listReferrerDigests(
  db: Reader,
  { name, channel, subject, fallbackTag, artifactType, after, limit }: ReferrerQuery,
): Promise<{ digest: Digest; sizeBytes: number }[]> {
  let query = db
    .selectFrom('channel_manifests')
    .innerJoin('repositories', 'repositories.id', 'channel_manifests.repository_id')
    .innerJoin('manifests', 'manifests.digest', 'channel_manifests.digest')
    .select(['manifests.digest', 'manifests.size_bytes'])
    .where('repositories.name', '=', name)
    .where('channel_manifests.channel', '=', channel)
    .where('manifests.digest', '>', after)
    .where((where) =>
      where.or([
        where('manifests.subject', '=', subject),
        where.and([
          where('manifests.subject', 'is', null),
          where(
            'manifests.digest',
            'in',
            where
              .selectFrom('tags')
              .innerJoin('manifest_references', 'manifest_references.manifest', 'tags.digest')
              .select('manifest_references.digest')
              .whereRef('tags.repository_id', '=', 'repositories.id')
              .where('tags.channel', '=', channel)
              .where('tags.tag', '=', fallbackTag)
              .where('manifest_references.role', '=', 'child'),
          ),
        ]),
      ]),
    )
  if (artifactType !== undefined) query = query.where('manifests.artifact_type', '=', artifactType)
  const rows = await query.orderBy('manifests.digest').limit(limit).execute()
  return rows.map((row) => ({ digest: row.digest as Digest, sizeBytes: row.size_bytes }))
}
