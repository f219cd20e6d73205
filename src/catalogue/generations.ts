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

/** What generations published of a repository: the version it had before them (0: none), then that of each which changed it. */
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

/** Of what belongs to it and changes while it is the newest. */
export async function changeSummary(tx: Tx, channel: string, number: number, summary: unknown): Promise<void> {
  await tx
    .updateTable('generations')
    .set({ summary: JSON.stringify(summary) })
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

/** What the generations after `from` up to `to` changed, in order of name after `after`. */
export async function listChangedRepositories(
  db: Reader,
  channel: string,
  { from, to }: { readonly from: number; readonly to: number },
  after: string,
  limit: number,
): Promise<ChangedRepository[]> {
  const changed = db
    .selectFrom('generation_repositories as changed')
    .innerJoin('repositories', 'repositories.id', 'changed.repository_id')
    .where('changed.channel', '=', channel)
    .where('changed.number', '>', from)
    .where('changed.number', '<=', to)
  const page = changed
    .select(['changed.repository_id', 'name'])
    .distinct()
    .where('name', '>', after)
    .orderBy('name')
    .limit(limit)
  const rows = await changed
    .innerJoin(page.as('page'), 'page.repository_id', 'changed.repository_id')
    .select((select) => [
      'changed.repository_id',
      'repositories.name',
      'changed.version',
      select
        .selectFrom('generation_repositories as before')
        .select('before.version')
        .where('before.channel', '=', channel)
        .whereRef('before.repository_id', '=', 'changed.repository_id')
        .where('before.number', '<=', from)
        .orderBy('before.number', 'desc')
        .limit(1)
        .as('before'),
    ])
    .orderBy('repositories.name')
    .orderBy('changed.number')
    .execute()
  const repositories: (ChangedRepository & { versions: number[] })[] = []
  for (const row of rows) {
    const last = repositories.at(-1)
    if (last?.repositoryId === row.repository_id) last.versions.push(row.version)
    else {
      const versions = [Number(row.before ?? 0), row.version]
      repositories.push({ repositoryId: row.repository_id, name: row.name as RepositoryName, versions })
    }
  }
  return repositories
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
