// The job that crawls one host: whoever asks for it, it waits once per host and channel.

import type { Tx } from '#catalogue/schema.ts'
import { enqueue } from '#jobs/queue.ts'

export type CrawlTarget = { readonly hostId: number; readonly channel: string }

export const crawlJobKind = 'crawl'

export function crawlKey({ hostId, channel }: CrawlTarget): string {
  return `${hostId}/${channel}`
}

/** The id of the job, the one that waits already if there is one. */
export function requestCrawl(tx: Tx, target: CrawlTarget, nowMs: number): Promise<string> {
  return enqueue(
    tx,
    { kind: crawlJobKind, payload: target, dedupeKey: crawlKey(target), runAtMs: nowMs, maxAttempts: 1 },
    nowMs,
  )
}
