// Sums and last events for overviews: one query each, whatever there is.

import type { Reader } from './schema.ts'

export type LastCrawl = { readonly finishedAtMs: number; readonly outcome: string }

/** The last crawl of each host, by host id. */
export async function listLastCrawls(db: Reader, channel: string): Promise<Map<number, LastCrawl>> {
  const rows = await db
    .selectFrom('crawls')
    .select(['host_id', 'finished_at_ms', 'outcome'])
    .where('channel', '=', channel)
    .where((where) =>
      where(
        'finished_at_ms',
        '=',
        where
          .selectFrom('crawls as one')
          .select((select) => select.fn.max('one.finished_at_ms').as('last'))
          .whereRef('one.host_id', '=', 'crawls.host_id')
          .where('one.channel', '=', channel),
      ),
    )
    .execute()
  return new Map(rows.map((row) => [row.host_id, { finishedAtMs: row.finished_at_ms, outcome: row.outcome }]))
}

/** What a copy of the channel's tree needs; it reads every row, so ask once per generation. */
export async function sumTree(db: Reader, channel: string): Promise<{ blobs: number; sizeBytes: number }> {
  const row = await db
    .selectFrom('tree_blobs')
    .select((select) => [select.fn.countAll().as('blobs'), select.fn.sum('size_bytes').as('size')])
    .where('channel', '=', channel)
    .executeTakeFirstOrThrow()
  return { blobs: Number(row.blobs), sizeBytes: Number(row.size ?? 0) }
}
