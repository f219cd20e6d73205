import type { Digest } from '#oci/digest.ts'
import type { RepositoryName } from '#oci/name.ts'
import { batchesOf } from './batches.ts'
import type { Reader, Schema, Tx } from './schema.ts'

export type GenerationRow = {
  readonly channel: string
  readonly number: number
  readonly state: Schema['generations']['state']
  readonly createdAtMs: number
  readonly publishedAtMs: number | undefined
  readonly actor: string
  readonly reason: string | undefined
  readonly summary: unknown
}

/** A repository that generations change: the version before them (0: none), and the one of each generation that changed it. */
export type ChangedRepository = {
  readonly repositoryId: number
  readonly name: RepositoryName
  readonly versions: readonly number[]
}

function toRow(row: Schema['generations']): GenerationRow {
  return {
    channel: row.channel,
    number: row.number,
    state: row.state,
    createdAtMs: row.created_at_ms,
    publishedAtMs: row.published_at_ms ?? undefined,
    actor: row.actor,
    reason: row.reason ?? undefined,
    summary: JSON.parse(row.summary),
  }
}

export async function findGeneration(db: Reader, channel: string, number: number): Promise<GenerationRow | undefined> {
  const row = await db
    .selectFrom('generations')
    .selectAll()
    .where('channel', '=', channel)
    .where('number', '=', number)
    .executeTakeFirst()
  return row && toRow(row)
}

export async function findLatestGeneration(
  db: Reader,
  channel: string,
  state: GenerationRow['state'],
): Promise<GenerationRow | undefined> {
  const row = await db
    .selectFrom('generations')
    .selectAll()
    .where('channel', '=', channel)
    .where('state', '=', state)
    .orderBy('number', 'desc')
    .limit(1)
    .executeTakeFirst()
  return row && toRow(row)
}

/** Newest first. */
export async function listGenerations(db: Reader, channel: string, limit: number): Promise<GenerationRow[]> {
  const rows = await db
    .selectFrom('generations')
    .selectAll()
    .where('channel', '=', channel)
    .orderBy('number', 'desc')
    .limit(limit)
    .execute()
  return rows.map(toRow)
}

export async function addGeneration(
  tx: Tx,
  generation: {
    channel: string
    number: number
    createdAtMs: number
    actor: string
    reason?: string | undefined
    /** What has to be known to render it again. */
    summary: unknown
  },
): Promise<void> {
  await tx
    .insertInto('generations')
    .values({
      channel: generation.channel,
      number: generation.number,
      state: 'rendering',
      created_at_ms: generation.createdAtMs,
      published_at_ms: null,
      actor: generation.actor,
      reason: generation.reason ?? null,
      summary: JSON.stringify(generation.summary),
    })
    .execute()
}

export async function markPublished(
  tx: Tx,
  channel: string,
  number: number,
  summary: unknown,
  atMs: number,
): Promise<void> {
  await tx
    .updateTable('generations')
    .set({ state: 'published', published_at_ms: atMs, summary: JSON.stringify(summary) })
    .where('channel', '=', channel)
    .where('number', '=', number)
    .execute()
}

/** Repositories whose channel stands at another version than any generation took in, with that version. */
export async function listUnpublished(
  db: Reader,
  channel: string,
): Promise<{ repositoryId: number; version: number }[]> {
  const rows = await db
    .selectFrom('channel_versions')
    .select(['repository_id', 'version'])
    .where('channel', '=', channel)
    .whereRef('version', '>', 'published_version')
    .orderBy('repository_id')
    .execute()
  return rows.map((row) => ({ repositoryId: row.repository_id, version: row.version }))
}

/** From here on these versions count as published: the generation that holds them is finished, whatever happens. */
export async function addGenerationRepositories(
  tx: Tx,
  channel: string,
  number: number,
  repositories: readonly { repositoryId: number; version: number }[],
): Promise<void> {
  for (const part of batchesOf(repositories, 1000)) {
    await tx
      .insertInto('generation_repositories')
      .values(part.map(({ repositoryId, version }) => ({ channel, number, repository_id: repositoryId, version })))
      .execute()
    await tx
      .updateTable('channel_versions')
      .from('generation_repositories as taken')
      .set((set) => ({ published_version: set.ref('taken.version') }))
      .where('taken.channel', '=', channel)
      .where('taken.number', '=', number)
      .whereRef('taken.repository_id', '=', 'channel_versions.repository_id')
      .where('channel_versions.channel', '=', channel)
      .where(
        'channel_versions.repository_id',
        'in',
        part.map((one) => one.repositoryId),
      )
      .execute()
  }
}

/** What the generations after `after`, up to `upTo`, change, in order of name. */
export async function listChangedRepositories(
  db: Reader,
  channel: string,
  { after, upTo }: { readonly after: number; readonly upTo: number },
): Promise<ChangedRepository[]> {
  const rows = await db
    .selectFrom('generation_repositories as taken')
    .innerJoin('repositories', 'repositories.id', 'taken.repository_id')
    .select((select) => [
      'taken.repository_id',
      'name',
      'taken.version',
      select
        .selectFrom('generation_repositories as before')
        .select('before.version')
        .where('before.channel', '=', channel)
        .whereRef('before.repository_id', '=', 'taken.repository_id')
        .where('before.number', '<=', after)
        .orderBy('before.number', 'desc')
        .limit(1)
        .as('from'),
    ])
    .where('taken.channel', '=', channel)
    .where('taken.number', '>', after)
    .where('taken.number', '<=', upTo)
    .orderBy('name')
    .orderBy('taken.number')
    .execute()
  const changed: { repositoryId: number; name: RepositoryName; versions: number[] }[] = []
  for (const { repository_id: repositoryId, name, version, from } of rows) {
    const last = changed.at(-1)
    if (last?.repositoryId === repositoryId) last.versions.push(version)
    else changed.push({ repositoryId, name: name as RepositoryName, versions: [Number(from ?? 0), version] })
  }
  return changed
}

/** The version of every repository in generation `number`, by name after `after`. */
export async function listRepositoriesAt(
  db: Reader,
  channel: string,
  number: number,
  after: string,
  limit: number,
): Promise<{ repositoryId: number; name: RepositoryName; version: number }[]> {
  const rows = await db
    .selectFrom('generation_repositories')
    .innerJoin('repositories', 'repositories.id', 'generation_repositories.repository_id')
    .select((select) => ['repository_id', 'name', select.fn.max('version').as('version')])
    .where('channel', '=', channel)
    .where('number', '<=', number)
    .where('name', '>', after)
    .groupBy(['repository_id', 'name'])
    .orderBy('name')
    .limit(limit)
    .execute()
  return rows.map((row) => ({
    repositoryId: row.repository_id,
    name: row.name as RepositoryName,
    version: Number(row.version),
  }))
}

/** Of the digests asked for, those that the channel's tree carries, with the generation that brought them. */
export async function findTreeBlobs(
  db: Reader,
  channel: string,
  digests: readonly Digest[],
): Promise<Map<string, number>> {
  const found = new Map<string, number>()
  for (const part of batchesOf(digests, 2000)) {
    const rows = await db
      .selectFrom('tree_blobs')
      .select(['digest', 'generation'])
      .where('channel', '=', channel)
      .where('digest', 'in', part)
      .execute()
    for (const row of rows) found.set(row.digest, row.generation)
  }
  return found
}

export type TreeBlob = { readonly digest: Digest; readonly sizeBytes: number; readonly generation: number }

/** In order of digest, after `after`. */
export async function listTreeBlobs(db: Reader, channel: string, after: string, limit: number): Promise<TreeBlob[]> {
  const rows = await db
    .selectFrom('tree_blobs')
    .select(['digest', 'size_bytes', 'generation'])
    .where('channel', '=', channel)
    .where('digest', '>', after)
    .orderBy('digest')
    .limit(limit)
    .execute()
  return rows.map((row) => ({ digest: row.digest as Digest, sizeBytes: row.size_bytes, generation: row.generation }))
}

/** Blobs that came after generation `after`, oldest first. */
export async function listNewTreeBlobs(db: Reader, channel: string, after: number): Promise<TreeBlob[]> {
  const rows = await db
    .selectFrom('tree_blobs')
    .select(['digest', 'size_bytes', 'generation'])
    .where('channel', '=', channel)
    .where('generation', '>', after)
    .orderBy('generation')
    .orderBy('digest')
    .execute()
  return rows.map((row) => ({ digest: row.digest as Digest, sizeBytes: row.size_bytes, generation: row.generation }))
}

export async function addTreeBlobs(tx: Tx, channel: string, blobs: readonly TreeBlob[]): Promise<void> {
  for (const part of batchesOf(blobs, 1000)) {
    await tx
      .insertInto('tree_blobs')
      .values(
        part.map((blob) => ({ channel, digest: blob.digest, size_bytes: blob.sizeBytes, generation: blob.generation })),
      )
      .execute()
  }
}
