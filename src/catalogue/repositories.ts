import type { RepositoryName } from '#oci/name.ts'
import type { Reader, Tx } from './schema.ts'

export async function findRepositoryId(db: Reader, name: RepositoryName): Promise<number | undefined> {
  const row = await db.selectFrom('repositories').select('id').where('name', '=', name).executeTakeFirst()
  return row?.id
}

export async function ensureRepository(tx: Tx, name: RepositoryName, atMs: number): Promise<number> {
  await tx
    .insertInto('repositories')
    .values({ name, created_at_ms: atMs })
    .onConflict((conflict) => conflict.column('name').doNothing())
    .execute()
  const row = await tx.selectFrom('repositories').select('id').where('name', '=', name).executeTakeFirstOrThrow()
  return row.id
}

/** Names after `after` in byte order, of repositories that hold a manifest in the channel. */
export async function listRepositories(
  db: Reader,
  channel: string,
  after: string,
  limit: number,
): Promise<RepositoryName[]> {
  const rows = await db
    .selectFrom('repositories')
    .select('name')
    .where('name', '>', after)
    .where((where) =>
      where.exists(
        where
          .selectFrom('channel_manifests')
          .select('digest')
          .whereRef('repository_id', '=', 'repositories.id')
          .where('channel', '=', channel),
      ),
    )
    .orderBy('name')
    .limit(limit)
    .execute()
  return rows.map((row) => row.name as RepositoryName)
}

/** Every repository that has a history in the channel, with the version at which it stands. */
export async function listChannelRepositories(
  db: Reader,
  channel: string,
): Promise<{ repositoryId: number; name: RepositoryName; version: number }[]> {
  const rows = await db
    .selectFrom('channel_versions')
    .innerJoin('repositories', 'repositories.id', 'channel_versions.repository_id')
    .select(['repository_id', 'name', 'version'])
    .where('channel', '=', channel)
    .where('version', '>', 0)
    .orderBy('name')
    .execute()
  return rows.map((row) => ({
    repositoryId: row.repository_id,
    name: row.name as RepositoryName,
    version: row.version,
  }))
}
