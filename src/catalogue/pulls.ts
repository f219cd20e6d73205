// How often the blobs of a channel were pulled, by day: what the popularity list is made from. No row tells of any client.

import { setImmediate as nextTurn } from 'node:timers/promises'
import { type RawBuilder, sql } from 'kysely'
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

/** Adds to what the day has; inside a transaction all of it or nothing. */
export async function addPulls(
  db: Reader,
  { channel, day }: { readonly channel: string; readonly day: number },
  counts: ReadonlyMap<string, number>,
): Promise<void> {
  // In one order everywhere: two that add at once wait for each other instead of for ever.
  const rows = [...counts].map(([digest, count]) => ({ channel, digest, day, count }))
  rows.sort((a, b) => (a.digest < b.digest ? -1 : 1))
  for (const part of batchesOf(rows, 1000)) {
    await db
      .insertInto('pulls')
      .values([...part])
      .onConflict((conflict) =>
        conflict
          .columns(['channel', 'digest', 'day'])
          .doUpdateSet((set) => ({ count: set('pulls.count', '+', set.ref('excluded.count')) })),
      )
      .execute()
  }
}

export type PopularBlob = {
  readonly digest: Digest
  readonly sizeBytes: number
  /** Pulls, each at `scorePerPull` when of today and half of that every `halfLifeDays`; 1 or more. */
  readonly score: number
  /** Of all days that are kept. */
  readonly pulls: number
}

/**
 * Of the blobs in the channel's tree the most pulled ones: highest score first, then by digest. It reads every row of the channel, by
 * pages with turns for others between them: SQLite answers in the thread of the front door.
 */
export async function listPopular(db: Reader, channel: string, nowDay: number, limit: number): Promise<PopularBlob[]> {
  let best: PopularBlob[] = []
  const keepBest = () => {
    best = best.sort((a, b) => b.score - a.score || (a.digest < b.digest ? -1 : 1)).slice(0, limit)
  }
  for (let after = ''; ; ) {
    const page = await listScores(db, { channel, nowDay, after })
    best.push(...(await inTree(db, channel, page)))
    if (best.length > 2 * limit) keepBest()
    if (page.length < scoresPerPage) break
    after = page.at(-1)!.digest
    await nextTurn()
  }
  keepBest()
  return best
}

const scoresPerPage = 250

type Score = { readonly digest: string; readonly score: number; readonly pulls: number }

/** In order of digest, after `after`: as the rows lie, so that a page costs its own rows. */
async function listScores(
  db: Reader,
  { channel, nowDay, after }: { readonly channel: string; readonly nowDay: number; readonly after: string },
): Promise<Score[]> {
  const rows = await db
    .selectFrom('pulls')
    .select((select) => [
      'digest',
      sql<number>`sum(count * ${weightOfDay(nowDay)})`.as('score'),
      select.fn.sum('count').as('pulls'),
    ])
    .where('channel', '=', channel)
    .where('digest', '>', after)
    .groupBy('digest')
    .orderBy('digest')
    .limit(scoresPerPage)
    .execute()
  return rows.map(({ digest, score, pulls }) => ({ digest, score: Number(score), pulls: Number(pulls) }))
}

async function inTree(db: Reader, channel: string, scores: readonly Score[]): Promise<PopularBlob[]> {
  if (scores.length === 0) return []
  const rows = await db
    .selectFrom('tree_blobs')
    .select(['digest', 'size_bytes'])
    .where('channel', '=', channel)
    .where(
      'digest',
      'in',
      scores.map(({ digest }) => digest),
    )
    .execute()
  const sizes = new Map(rows.map((row) => [row.digest, row.size_bytes]))
  return scores.flatMap(({ digest, score, pulls }) => {
    const sizeBytes = sizes.get(digest)
    return sizeBytes === undefined || score === 0 ? [] : [{ digest: digest as Digest, sizeBytes, score, pulls }]
  })
}

/**
 * What a pull of the row's day counts; of days to come as of today. Written out, because SQLite need not have a power function and the
 * engines would not round alike; by halves, because it is asked of every row.
 */
function weightOfDay(nowDay: number): RawBuilder<number> {
  const between = (young: number, old: number): RawBuilder<number> => {
    if (young === old) return sql`${sql.lit(Math.ceil(scorePerPull * 2 ** (-young / halfLifeDays)))}`
    const middle = (young + old) >> 1
    return sql`case when day >= ${sql.lit(nowDay - middle)} then ${between(young, middle)} else ${between(middle + 1, old)} end`
  }
  return sql`case when day <= ${sql.lit(nowDay - keptDays)} then 0 else ${between(0, keptDays - 1)} end`
}

export async function forgetPulls(db: Catalogue, beforeDay: number): Promise<void> {
  await db.deleteFrom('pulls').where('day', '<', beforeDay).execute()
}
