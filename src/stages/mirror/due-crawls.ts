// Which hosts are to be crawled now: those that may hold something unproven, and from time to time every one.

import { type CrawlOutcome, type CrawlRecord, type HostRecord, type Presence, urlsOf } from './host-records.ts'

export type CrawlPace = {
  /** A host that was whole is looked at again after this long, without anything new. */
  readonly againMs: number
  /** And after this long when it lacked blobs: it may have been copying. */
  readonly lackingMs: number
  /** After an outcome that leaves something open. A new generation does not cut it short: the host said why. */
  readonly retryMs: Readonly<Record<Exclude<CrawlOutcome, 'complete'>, number>>
}

export type CrawlState = {
  readonly channel: string
  /** The channel's current one; 0: nothing is published. */
  readonly generation: number
  readonly hosts: readonly HostRecord[]
  readonly presence: ReadonlyMap<number, Presence>
  readonly lastCrawls: ReadonlyMap<number, CrawlRecord>
}

/** Those that wait longest first. */
export function dueCrawls(state: CrawlState, pace: CrawlPace, nowMs: number): readonly HostRecord[] {
  if (state.generation === 0) return []
  const finishedAt = ({ id }: HostRecord) => state.lastCrawls.get(id)?.finishedAtMs ?? 0
  return state.hosts
    .filter((host) => host.isAdminActive && host.isUserActive && urlsOf(host, state.channel).length > 0)
    .filter((host) => nowMs >= dueAtMs(host, state, pace))
    .sort((a, b) => finishedAt(a) - finishedAt(b))
}

function dueAtMs(host: HostRecord, { lastCrawls, presence, generation }: CrawlState, pace: CrawlPace): number {
  const last = lastCrawls.get(host.id)
  if (!last) return 0
  if (last.outcome !== 'complete') return last.finishedAtMs + pace.retryMs[last.outcome]
  if ((presence.get(host.id)?.generation ?? 0) < generation) return 0
  return last.finishedAtMs + (last.lacking > 0 ? pace.lackingMs : pace.againMs)
}
