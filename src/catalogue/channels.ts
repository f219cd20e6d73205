// Channels of a repository: tags, the manifests they hold, and the append-only log that both are made from.

import type { Digest } from '#oci/digest.ts'
import { batchesOf } from './batches.ts'
import type { Reader, Schema, Tx } from './schema.ts'

/** `key` is a tag, or `@<digest>` for a manifest itself; `digest` null takes it away. */
export type Change = { readonly key: string; readonly digest: Digest | null }

export type Act = {
  readonly id: string
  readonly kind: Schema['acts']['kind']
  readonly actor: string
  readonly reason?: string
  readonly source?: string
}

export const manifestKey = (digest: Digest): string => `@${digest}`
const isManifestKey = (key: string): boolean => key.startsWith('@')
const batch = 1000

export async function recordAct(tx: Tx, act: Act, atMs: number): Promise<void> {
  await tx
    .insertInto('acts')
    .values({
      id: act.id,
      kind: act.kind,
      actor: act.actor,
      reason: act.reason ?? null,
      source: act.source ?? null,
      at_ms: atMs,
    })
    .execute()
}

/** The version at which the log stands; 0 when nothing ever happened there. */
export async function findVersion(db: Reader, repositoryId: number, channel: string): Promise<number> {
  const row = await db
    .selectFrom('channel_versions')
    .select('version')
    .where('repository_id', '=', repositoryId)
    .where('channel', '=', channel)
    .executeTakeFirst()
  return row?.version ?? 0
}

/** Holds the log of a (repository, channel) for the rest of the transaction and tells where it stands. */
export async function lockVersion(tx: Tx, repositoryId: number, channel: string): Promise<number> {
  const row = await tx
    .insertInto('channel_versions')
    .values({ repository_id: repositoryId, channel, version: 0, published_version: 0 })
    .onConflict((conflict) =>
      conflict
        .columns(['repository_id', 'channel'])
        .doUpdateSet((set) => ({ version: set.ref('channel_versions.version') })),
    )
    .returning('version')
    .executeTakeFirstOrThrow()
  return row.version
}

/** Appends what really changes and applies it; tells the version after it. The same state twice appends nothing. */
export async function appendChanges(
  tx: Tx,
  target: { readonly repositoryId: number; readonly channel: string },
  changes: readonly Change[],
  act: { readonly id: string; readonly atMs: number },
): Promise<{ readonly version: number; readonly applied: readonly (Change & { readonly previous: Digest | null })[] }> {
  const { repositoryId, channel } = target
  const before = await lockVersion(tx, repositoryId, channel)
  // A key that is named twice has its last meaning.
  const wanted = [...new Map(changes.map((change) => [change.key, change])).values()]
  const present = await presentState(tx, repositoryId, channel, wanted)
  const applied = wanted
    .map((change) => ({ ...change, previous: present.get(change.key) ?? null }))
    .filter((change) => change.previous !== change.digest)
  if (applied.length === 0) return { version: before, applied }
  const version = before + 1
  const at = { repository_id: repositoryId, channel }
  for (const part of batchesOf(applied, batch)) {
    await tx
      .insertInto('tag_log')
      .values(
        part.map(({ key, digest, previous }) => ({
          ...at,
          version,
          key,
          digest,
          previous,
          act: act.id,
          at_ms: act.atMs,
        })),
      )
      .execute()
    const gone = part.filter((change) => change.digest === null).map((change) => change.key)
    const goneManifests = gone.filter(isManifestKey).map((key) => key.slice(1))
    const goneTags = gone.filter((key) => !isManifestKey(key))
    if (goneManifests.length > 0) {
      await tx
        .deleteFrom('channel_manifests')
        .where('repository_id', '=', repositoryId)
        .where('channel', '=', channel)
        .where('digest', 'in', goneManifests)
        .execute()
    }
    if (goneTags.length > 0) {
      await tx
        .deleteFrom('tags')
        .where('repository_id', '=', repositoryId)
        .where('channel', '=', channel)
        .where('tag', 'in', goneTags)
        .execute()
    }
    const come = part.filter((change): change is typeof change & { digest: Digest } => change.digest !== null)
    const manifests = come.filter((change) => isManifestKey(change.key))
    if (manifests.length > 0) {
      await tx
        .insertInto('channel_manifests')
        .values(manifests.map(({ digest }) => ({ ...at, digest, added_version: version, added_at_ms: act.atMs })))
        .execute()
    }
    const tags = come.filter((change) => !isManifestKey(change.key))
    if (tags.length > 0) {
      await tx
        .insertInto('tags')
        .values(tags.map(({ key, digest }) => ({ ...at, tag: key, digest, version, updated_at_ms: act.atMs })))
        .onConflict((conflict) =>
          conflict.columns(['repository_id', 'channel', 'tag']).doUpdateSet((set) => ({
            digest: set.ref('excluded.digest'),
            version: set.ref('excluded.version'),
            updated_at_ms: set.ref('excluded.updated_at_ms'),
          })),
        )
        .execute()
    }
  }
  await tx
    .updateTable('channel_versions')
    .set({ version })
    .where('repository_id', '=', repositoryId)
    .where('channel', '=', channel)
    .execute()
  return { version, applied }
}

async function presentState(
  tx: Tx,
  repositoryId: number,
  channel: string,
  changes: readonly Change[],
): Promise<Map<string, Digest>> {
  const state = new Map<string, Digest>()
  for (const part of batchesOf(changes, batch)) {
    const keys = part.map((change) => change.key)
    const tags = await tx
      .selectFrom('tags')
      .select(['tag', 'digest'])
      .where('repository_id', '=', repositoryId)
      .where('channel', '=', channel)
      .where('tag', 'in', keys)
      .execute()
    for (const row of tags) state.set(row.tag, row.digest as Digest)
    const digests = keys.filter(isManifestKey).map((key) => key.slice(1))
    if (digests.length === 0) continue
    const manifests = await tx
      .selectFrom('channel_manifests')
      .select('digest')
      .where('repository_id', '=', repositoryId)
      .where('channel', '=', channel)
      .where('digest', 'in', digests)
      .execute()
    for (const row of manifests) state.set(`@${row.digest}`, row.digest as Digest)
  }
  return state
}

/** Tags after `after` in byte order. */
export async function listTags(
  db: Reader,
  repositoryId: number,
  channel: string,
  after: string,
  limit: number,
): Promise<{ tag: string; digest: Digest; version: number; updatedAtMs: number }[]> {
  const rows = await db
    .selectFrom('tags')
    .select(['tag', 'digest', 'version', 'updated_at_ms'])
    .where('repository_id', '=', repositoryId)
    .where('channel', '=', channel)
    .where('tag', '>', after)
    .orderBy('tag')
    .limit(limit)
    .execute()
  return rows.map((row) => ({
    tag: row.tag,
    digest: row.digest as Digest,
    version: row.version,
    updatedAtMs: row.updated_at_ms,
  }))
}

export async function listTagsOfManifest(
  db: Reader,
  repositoryId: number,
  channel: string,
  digest: Digest,
): Promise<string[]> {
  const rows = await db
    .selectFrom('tags')
    .select('tag')
    .where('repository_id', '=', repositoryId)
    .where('channel', '=', channel)
    .where('digest', '=', digest)
    .orderBy('tag')
    .execute()
  return rows.map((row) => row.tag)
}

/** What any of these versions, lowest first, changed since the one before it, as the last one has it; what came and went between two
 *  that follow each other is not named. */
export async function changesAlong(
  db: Reader,
  repositoryId: number,
  channel: string,
  versions: readonly number[],
): Promise<Change[]> {
  const rows = await db
    .selectFrom('tag_log')
    .select(['version', 'key', 'digest', 'previous'])
    .where('repository_id', '=', repositoryId)
    .where('channel', '=', channel)
    .where('version', '>', versions[0]!)
    .where('version', '<=', versions.at(-1)!)
    .orderBy('version')
    .execute()
  const changed = new Map<string, Digest | null>()
  let next = 0
  for (const to of versions.slice(1)) {
    const first = new Map<string, Digest | null>()
    const last = new Map<string, Digest | null>()
    for (let row = rows[next]; row && row.version <= to; row = rows[++next]) {
      if (!first.has(row.key)) first.set(row.key, row.previous as Digest | null)
      last.set(row.key, row.digest as Digest | null)
    }
    for (const [key, digest] of last) if (first.get(key) !== digest) changed.set(key, digest)
  }
  return [...changed].map(([key, digest]) => ({ key, digest }))
}

/** What to append so that the tags are again as they were at `version`; manifests that came since stay. */
export async function changesBackTo(
  db: Reader,
  repositoryId: number,
  channel: string,
  version: number,
): Promise<Change[]> {
  const rows = await db
    .selectFrom('tag_log')
    .select(['key', 'previous'])
    .where('repository_id', '=', repositoryId)
    .where('channel', '=', channel)
    .where('version', '>', version)
    .orderBy('version')
    .execute()
  const first = new Map<string, Digest | null>()
  for (const row of rows) {
    if (!isManifestKey(row.key) && !first.has(row.key)) first.set(row.key, row.previous as Digest | null)
  }
  return [...first].map(([key, digest]) => ({ key, digest }))
}
