import type { Digest } from '#oci/digest.ts'
import { isForeign, type Manifest } from '#oci/manifest.ts'
import type { RepositoryName } from '#oci/name.ts'
import { batchesOf } from './batches.ts'
import type { Reader, Schema, Tx } from './schema.ts'

export type ManifestRow = {
  readonly digest: Digest
  readonly mediaType: string
  readonly sizeBytes: number
  readonly artifactType: string | undefined
  readonly subject: Digest | undefined
  readonly annotations: Readonly<Record<string, string>> | undefined
}

export type ManifestReference = {
  readonly manifest: Digest
  readonly role: Schema['manifest_references']['role']
  readonly digest: Digest
  readonly mediaType: string
  readonly sizeBytes: number
  readonly isForeign: boolean
}

const batch = 2000

function toRow(row: Omit<Schema['manifests'], 'is_sparse' | 'created_at_ms'>): ManifestRow {
  return {
    digest: row.digest as Digest,
    mediaType: row.media_type,
    sizeBytes: row.size_bytes,
    artifactType: row.artifact_type ?? undefined,
    subject: (row.subject as Digest | null) ?? undefined,
    annotations: row.annotations === null ? undefined : JSON.parse(row.annotations),
  }
}

const columns = ['manifests.digest', 'media_type', 'size_bytes', 'artifact_type', 'subject', 'annotations'] as const

export async function addManifest(
  tx: Tx,
  digest: Digest,
  sizeBytes: number,
  manifest: Manifest,
  options: { readonly atMs: number; readonly isSparse?: boolean },
): Promise<void> {
  const done = await tx
    .insertInto('manifests')
    .values({
      digest,
      media_type: manifest.mediaType,
      size_bytes: sizeBytes,
      artifact_type: manifest.artifactType ?? null,
      subject: manifest.subject?.digest ?? null,
      annotations: manifest.annotations ? JSON.stringify(manifest.annotations) : null,
      is_sparse: options.isSparse ? 1 : 0,
      created_at_ms: options.atMs,
    })
    .onConflict((conflict) => conflict.column('digest').doNothing())
    .executeTakeFirst()
  if (!done.numInsertedOrUpdatedRows) return
  const parts = [
    ...(manifest.config ? [['config', manifest.config] as const] : []),
    ...manifest.layers.map((layer) => ['layer', layer] as const),
    ...manifest.children.map((child) => ['child', child] as const),
  ]
  for (const part of batchesOf([...parts.entries()], batch)) {
    await tx
      .insertInto('manifest_references')
      .values(
        part.map(([position, [role, descriptor]]) => ({
          manifest: digest,
          position,
          role,
          digest: descriptor.digest,
          media_type: descriptor.mediaType,
          size_bytes: descriptor.size,
          is_foreign: role === 'layer' && isForeign(descriptor) ? (1 as const) : (0 as const),
        })),
      )
      .execute()
  }
}

/** A manifest that this channel of the repository holds, by digest. */
export async function findManifest(
  db: Reader,
  name: RepositoryName,
  channel: string,
  digest: Digest,
): Promise<ManifestRow | undefined> {
  const row = await db
    .selectFrom('repositories')
    .innerJoin('channel_manifests', 'channel_manifests.repository_id', 'repositories.id')
    .innerJoin('manifests', 'manifests.digest', 'channel_manifests.digest')
    .select(columns)
    .where('repositories.name', '=', name)
    .where('channel', '=', channel)
    .where('channel_manifests.digest', '=', digest)
    .executeTakeFirst()
  return row && toRow(row)
}

export async function findTaggedManifest(
  db: Reader,
  name: RepositoryName,
  channel: string,
  tag: string,
): Promise<ManifestRow | undefined> {
  const row = await db
    .selectFrom('repositories')
    .innerJoin('tags', 'tags.repository_id', 'repositories.id')
    .innerJoin('manifests', 'manifests.digest', 'tags.digest')
    .select(columns)
    .where('repositories.name', '=', name)
    .where('channel', '=', channel)
    .where('tag', '=', tag)
    .executeTakeFirst()
  return row && toRow(row)
}

/** Of the digests asked for, the manifests that the channel of the repository holds. */
export async function findChannelManifests(
  db: Reader,
  repositoryId: number,
  channel: string,
  digests: readonly Digest[],
): Promise<ManifestRow[]> {
  const found: ManifestRow[] = []
  for (const part of batchesOf(digests, batch)) {
    const rows = await db
      .selectFrom('channel_manifests')
      .innerJoin('manifests', 'manifests.digest', 'channel_manifests.digest')
      .select(columns)
      .where('repository_id', '=', repositoryId)
      .where('channel', '=', channel)
      .where('channel_manifests.digest', 'in', part)
      .execute()
    found.push(...rows.map(toRow))
  }
  return found
}

/** Manifests of the channel whose subject is one of `subjects`, in order of digest. */
export async function listReferrers(
  db: Reader,
  repositoryId: number,
  channel: string,
  subjects: readonly Digest[],
): Promise<ManifestRow[]> {
  const found: ManifestRow[] = []
  for (const part of batchesOf(subjects, batch)) {
    const rows = await db
      .selectFrom('manifests')
      .innerJoin('channel_manifests', 'channel_manifests.digest', 'manifests.digest')
      .select(columns)
      .where('subject', 'in', part)
      .where('repository_id', '=', repositoryId)
      .where('channel', '=', channel)
      .orderBy('manifests.digest')
      .execute()
    found.push(...rows.map(toRow))
  }
  return found
}

export async function listReferences(db: Reader, manifests: readonly Digest[]): Promise<ManifestReference[]> {
  const found: ManifestReference[] = []
  for (const part of batchesOf(manifests, batch)) {
    const rows = await db
      .selectFrom('manifest_references')
      .selectAll()
      .where('manifest', 'in', part)
      .orderBy('manifest')
      .orderBy('position')
      .execute()
    for (const row of rows) {
      found.push({
        manifest: row.manifest as Digest,
        role: row.role,
        digest: row.digest as Digest,
        mediaType: row.media_type,
        sizeBytes: row.size_bytes,
        isForeign: row.is_foreign === 1,
      })
    }
  }
  return found
}

/** In order of digest. */
export async function findManifests(db: Reader, digests: readonly Digest[]): Promise<ManifestRow[]> {
  const found: ManifestRow[] = []
  for (const part of batchesOf(digests, batch)) {
    const rows = await db
      .selectFrom('manifests')
      .select(columns)
      .where('digest', 'in', part)
      .orderBy('manifests.digest')
      .execute()
    found.push(...rows.map(toRow))
  }
  return found
}
