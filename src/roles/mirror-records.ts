// What the mirror stage asks of persistence, on the catalogue.

import { randomUUID } from 'node:crypto'
import { findPresence, listCrawls, saveCrawl, savePresence } from '#catalogue/host-copies.ts'
import { listHosts } from '#catalogue/hosts.ts'
import type { Catalogue, Schema } from '#catalogue/schema.ts'
import { listNewTreeBlobs } from '#catalogue/tree-blobs.ts'
import type { FleetRecords } from '#stages/mirror/fleet-watch.ts'
import type { CrawlRecord, HostRecords, TreeRecords } from '#stages/mirror/host-records.ts'

export function hostRecords(catalogue: Catalogue, now: () => number): HostRecords {
  return {
    listHosts: () => listHosts(catalogue),
    findPresence: (hostId, channel) => findPresence(catalogue, hostId, channel),
    savePresence: (hostId, channel, presence) => savePresence(catalogue, hostId, channel, presence, now()),
    async saveCrawl({ hostId, channel, startedAtMs, finishedAtMs, outcome, ...detail }) {
      await saveCrawl(catalogue, randomUUID(), {
        hostId,
        channel,
        startedAtMs,
        finishedAtMs,
        outcome,
        detail: JSON.stringify(detail),
      })
    },
    findLastCrawl: async (hostId, channel) => (await listCrawlRecords(catalogue, hostId, channel, 1))[0],
  }
}

/** The same facts of all hosts at once: a query each, however many hosts there are. */
export function fleetRecords(catalogue: Catalogue): FleetRecords {
  return {
    listHosts: () => listHosts(catalogue),
    async listPresence(channel) {
      const rows = await catalogue.selectFrom('host_presence').selectAll().where('channel', '=', channel).execute()
      return new Map(
        rows.map(({ host_id, generation, missing, extra }) => {
          return [host_id, { generation, missing: JSON.parse(missing), extra: JSON.parse(extra) }]
        }),
      )
    },
    async listLastCrawls(channel) {
      const last = catalogue
        .selectFrom('crawls')
        .select(({ fn }) => ['host_id', fn.max('finished_at_ms').as('finished_at_ms')])
        .where('channel', '=', channel)
        .groupBy('host_id')
        .as('last')
      const rows = await catalogue
        .selectFrom('crawls')
        .innerJoin(last, (join) =>
          join.onRef('last.host_id', '=', 'crawls.host_id').onRef('last.finished_at_ms', '=', 'crawls.finished_at_ms'),
        )
        .selectAll('crawls')
        .where('channel', '=', channel)
        .execute()
      return new Map(rows.map((row) => [row.host_id, toCrawlRecord(row)]))
    },
  }
}

function toCrawlRecord(row: Schema['crawls']): CrawlRecord {
  const { host_id: hostId, channel, started_at_ms: startedAtMs, finished_at_ms: finishedAtMs, outcome } = row
  return { hostId, channel, startedAtMs, finishedAtMs, outcome, ...JSON.parse(row.detail) } as CrawlRecord
}

/** Newest first. */
export async function listCrawlRecords(
  catalogue: Catalogue,
  hostId: number,
  channel: string,
  limit: number,
): Promise<CrawlRecord[]> {
  const rows = await listCrawls(catalogue, hostId, channel, limit)
  return rows.map(({ detail, ...row }) => ({ ...row, ...JSON.parse(detail) }) as CrawlRecord)
}

export function treeRecords(catalogue: Catalogue): TreeRecords {
  return {
    async *listBlobs(channel, after, upTo) {
      for (const blob of await listNewTreeBlobs(catalogue, channel, after)) if (blob.generation <= upTo) yield blob
    },
    async findBlob(channel, digest) {
      const row = await catalogue
        .selectFrom('tree_blobs')
        .select(['digest', 'size_bytes', 'generation'])
        .where('channel', '=', channel)
        .where('digest', '=', digest)
        .executeTakeFirst()
      return row && { digest: row.digest, sizeBytes: row.size_bytes, generation: row.generation }
    },
    async pickBlob(channel, upTo, random) {
      // A digest is as good as a random number: the first one behind a random place is a fair enough draw, by index.
      const place = `sha256:${Math.floor(random * 0xffffffff)
        .toString(16)
        .padStart(8, '0')}`
      const from = (comparison: '>=' | '<') =>
        catalogue
          .selectFrom('tree_blobs')
          .select(['digest', 'size_bytes', 'generation'])
          .where('channel', '=', channel)
          .where('generation', '<=', upTo)
          .where('digest', comparison, place)
          .orderBy('digest')
          .limit(1)
          .executeTakeFirst()
      const row = (await from('>=')) ?? (await from('<'))
      return row && { digest: row.digest, sizeBytes: row.size_bytes, generation: row.generation }
    },
  }
}
