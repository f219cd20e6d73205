import type { Digest } from '#oci/digest.ts'
import type { RepositoryName } from '#oci/name.ts'
import { batchesOf } from './batches.ts'
import type { Reader, Tx } from './schema.ts'

const batch = 5000

/** Size of a blob that the repository holds. */
export async function findRepositoryBlob(
  db: Reader,
  name: RepositoryName,
  digest: Digest,
): Promise<{ sizeBytes: number } | undefined> {
  const row = await db
    .selectFrom('repositories')
    .innerJoin('repository_blobs', 'repository_blobs.repository_id', 'repositories.id')
    .innerJoin('blobs', 'blobs.digest', 'repository_blobs.digest')
    .select('blobs.size_bytes')
    .where('repositories.name', '=', name)
    .where('repository_blobs.digest', '=', digest)
    .executeTakeFirst()
  return row && { sizeBytes: row.size_bytes }
}

/** Of the digests asked for, those that the repository holds, with their sizes. */
export async function findRepositoryBlobs(
  db: Reader,
  repositoryId: number,
  digests: readonly Digest[],
): Promise<Map<string, number>> {
  const found = new Map<string, number>()
  for (const part of batchesOf(digests, batch)) {
    const rows = await db
      .selectFrom('repository_blobs')
      .innerJoin('blobs', 'blobs.digest', 'repository_blobs.digest')
      .select(['blobs.digest', 'blobs.size_bytes'])
      .where('repository_id', '=', repositoryId)
      .where('repository_blobs.digest', 'in', part)
      .execute()
    for (const row of rows) found.set(row.digest, row.size_bytes)
  }
  return found
}

/** Repositories that hold the blob, in byte order. */
export async function listBlobRepositories(db: Reader, digest: Digest, limit: number): Promise<RepositoryName[]> {
  const rows = await db
    .selectFrom('repository_blobs')
    .innerJoin('repositories', 'repositories.id', 'repository_blobs.repository_id')
    .select('name')
    .where('digest', '=', digest)
    .orderBy('name')
    .limit(limit)
    .execute()
  return rows.map((row) => row.name as RepositoryName)
}

/** Records that the store has the blob and that the repository holds it. The bytes are durable before this is called. */
export async function addRepositoryBlob(
  tx: Tx,
  repositoryId: number,
  digest: Digest,
  sizeBytes: number,
  atMs: number,
): Promise<void> {
  await tx
    .insertInto('blobs')
    .values({ digest, size_bytes: sizeBytes, created_at_ms: atMs })
    .onConflict((conflict) => conflict.column('digest').doUpdateSet({ size_bytes: sizeBytes }))
    .execute()
  await tx
    .insertInto('repository_blobs')
    .values({ repository_id: repositoryId, digest, created_at_ms: atMs })
    .onConflict((conflict) => conflict.columns(['repository_id', 'digest']).doNothing())
    .execute()
}

/** True if the repository held it. */
export async function removeRepositoryBlob(tx: Tx, repositoryId: number, digest: Digest): Promise<boolean> {
  const done = await tx
    .deleteFrom('repository_blobs')
    .where('repository_id', '=', repositoryId)
    .where('digest', '=', digest)
    .executeTakeFirst()
  return done.numDeletedRows > 0n
}

/** A manifest, in any channel of the repository, that refers to the blob. */
export async function findManifestUsingBlob(
  db: Reader,
  repositoryId: number,
  digest: Digest,
): Promise<string | undefined> {
  const row = await db
    .selectFrom('manifest_references')
    .innerJoin('channel_manifests', 'channel_manifests.digest', 'manifest_references.manifest')
    .select('manifest_references.manifest')
    .where('manifest_references.digest', '=', digest)
    .where('manifest_references.role', '!=', 'child')
    .where('channel_manifests.repository_id', '=', repositoryId)
    .executeTakeFirst()
  return row?.manifest
}
