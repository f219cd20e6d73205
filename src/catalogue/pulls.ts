// How often the blobs of a channel were pulled, by day: what the popularity list is made from. No row tells of any client.

import { sql } from 'kysely'
import type { Digest } from '#oci/digest.ts'
import { batchesOf } from './batches.ts'
import type { Catalogue, Reader } from './schema.ts'

const dayMs = 86_400_000

/** Days are counted from 1970-01-01, in UTC. */
export function dayOf(atMs: number): number {
  return Math.floor(atMs / dayMs)
}

/** A pull counts half after so many days. */
export const halfLifeDays = 14
/** Older days count nothing, and are forgotten. */
export const keptDays = 90
/** The score of one pull of today: scores are whole numbers, so that both engines add them up to the same. */
export const scorePerPull = 1000

/** Adds to what the day has. */
export async function addPulls(
  db: Catalogue,
  { channel, day }: { readonly channel: string; readonly day: number },
  counts: ReadonlyMap<string, number>,
): Promise<void> {
  // In one order everywhere: two that add at once wait for each other instead of for ever.
  const rows = [...counts].map(([digest, count]) => ({ channel, digest, day, count }))
  rows.sort((a, b) => (a.digest < b.digest ? -1 : 1))
  await db.transaction().execute(async (tx) => {
    for (const part of batchesOf(rows, 1000)) {
      await tx
        .insertInto('pulls')
        .values([...part])
        .onConflict((conflict) =>
          conflict
            .columns(['channel', 'digest', 'day'])
            .doUpdateSet((set) => ({ count: set('pulls.count', '+', set.ref('excluded.count')) })),
        )
        .execute()
    }
  })
}

export type PopularBlob = {
  readonly digest: Digest
  readonly sizeBytes: number
  /** Pulls, each at `scorePerPull` when of today and half of that every `halfLifeDays`; 1 or more. */
  readonly score: number
  /** Pulls of all days that are kept. */
  readonly pulls: number
}

/** Of the blobs in the channel's tree the most pulled ones: highest score first, then by digest. It reads every row of the channel. */
export async function listPopular(db: Reader, channel: string, nowDay: number, limit: number): Promise<PopularBlob[]> {
  const score = sql<number>`sum(pulls.count * ${weightOfDay(nowDay)})`
  const rows = await db
    .selectFrom('pulls')
    .innerJoin('tree_blobs', (join) =>
      join.onRef('tree_blobs.channel', '=', 'pulls.channel').onRef('tree_blobs.digest', '=', 'pulls.digest'),
    )
    .select((select) => ['pulls.digest', 'size_bytes', score.as('score'), select.fn.sum('count').as('pulls')])
    .where('pulls.channel', '=', channel)
    .where('day', '>', nowDay - keptDays)
    .groupBy(['pulls.digest', 'size_bytes'])
    .orderBy('score', 'desc')
    .orderBy('pulls.digest')
    .limit(limit)
    .execute()
  return rows.map((row) => ({
    digest: row.digest as Digest,
    sizeBytes: row.size_bytes,
    score: Number(row.score),
    pulls: Number(row.pulls),
  }))
}

/** Written out, because SQLite need not have a power function, and the engines would not round alike. Days to come are today. */
function weightOfDay(nowDay: number) {
  const days = Array.from({ length: keptDays - 1 }, (_, i) => i + 1)
  const whens = days.map((age) => {
    const weight = Math.ceil(scorePerPull * 2 ** (-age / halfLifeDays))
    return sql`when ${sql.lit(nowDay - age)} then ${sql.lit(weight)}`
  })
  return sql`case pulls.day ${sql.join(whens, sql` `)} else ${sql.lit(scorePerPull)} end`
}

export async function forgetPulls(db: Catalogue, beforeDay: number): Promise<void> {
  await db.deleteFrom('pulls').where('day', '<', beforeDay).execute()
}
