// What is known of each host's copy: which blobs are proven there, and what crawls found.

import type { Catalogue, Reader } from './schema.ts'

export type PresenceRow = {
  readonly generation: number
  readonly missing: readonly string[]
  readonly extra: readonly string[]
}

export async function findPresence(db: Reader, hostId: number, channel: string): Promise<PresenceRow | undefined> {
  const row = await db
    .selectFrom('host_presence')
    .selectAll()
    .where('host_id', '=', hostId)
    .where('channel', '=', channel)
    .executeTakeFirst()
  return row && { generation: row.generation, missing: JSON.parse(row.missing), extra: JSON.parse(row.extra) }
}

export async function savePresence(
  db: Catalogue,
  hostId: number,
  channel: string,
  presence: PresenceRow,
  atMs: number,
): Promise<void> {
  const values = {
    generation: presence.generation,
    missing: JSON.stringify(presence.missing),
    extra: JSON.stringify(presence.extra),
    checked_at_ms: atMs,
  }
  await db
    .insertInto('host_presence')
    .values({ host_id: hostId, channel, ...values })
    .onConflict((conflict) => conflict.columns(['host_id', 'channel']).doUpdateSet(values))
    .execute()
}

/** `detail` is JSON of whatever the crawl found; the catalogue does not look into it. */
export type CrawlRow = {
  readonly hostId: number
  readonly channel: string
  readonly startedAtMs: number
  readonly finishedAtMs: number
  readonly outcome: string
  readonly detail: string
}

/** How many crawls of a host are kept. */
const keptCrawls = 50

export async function saveCrawl(db: Catalogue, id: string, crawl: CrawlRow): Promise<void> {
  await db.transaction().execute(async (tx) => {
    await tx
      .insertInto('crawls')
      .values({
        id,
        host_id: crawl.hostId,
        channel: crawl.channel,
        started_at_ms: crawl.startedAtMs,
        finished_at_ms: crawl.finishedAtMs,
        outcome: crawl.outcome,
        detail: crawl.detail,
      })
      .execute()
    const oldest = await tx
      .selectFrom('crawls')
      .select('finished_at_ms')
      .where('host_id', '=', crawl.hostId)
      .orderBy('finished_at_ms', 'desc')
      .offset(keptCrawls)
      .limit(1)
      .executeTakeFirst()
    if (oldest)
      await tx
        .deleteFrom('crawls')
        .where('host_id', '=', crawl.hostId)
        .where('finished_at_ms', '<=', oldest.finished_at_ms)
        .execute()
  })
}

/** Newest first. */
export async function listCrawls(db: Reader, hostId: number, channel: string, limit: number): Promise<CrawlRow[]> {
  const rows = await db
    .selectFrom('crawls')
    .selectAll()
    .where('host_id', '=', hostId)
    .where('channel', '=', channel)
    .orderBy('finished_at_ms', 'desc')
    .limit(limit)
    .execute()
  return rows.map((row) => ({
    hostId: row.host_id,
    channel: row.channel,
    startedAtMs: row.started_at_ms,
    finishedAtMs: row.finished_at_ms,
    outcome: row.outcome,
    detail: row.detail,
  }))
}
