// Which hosts are to be crawled now: those that may hold something unproven, and from time to time every one.

import { type CrawlOutcome, type CrawlRecord, type HostRecord, type Presence, urlsOf } from './host-records.ts'

export type CrawlPace = {
  /** A host that was whole is looked at again after this long, without anything new. */
  readonly againMs: number
  /** And after this long when it lacked blobs: it may have been copying. */
  readonly lackingMs: number
  /** After an outcome that leaves something open. A new generation does not cut it short: the host said why. */
  readonly retryMs: Readonly<Record<Exclude<CrawlOutcome, 'complete'>, number>>
  /** A host that lags is asked ever less often, after twice the time that it has lagged by then, but at least this often. */
  readonly slowestMs: number
}

export type CrawlState = {
  readonly channel: string
  /** The channel's current one; 0: nothing is published. */
  readonly generation: number
  /** When that one was published; undefined: not known, and nobody counts as lagging. */
  readonly publishedAtMs?: number | undefined
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

function dueAtMs(host: HostRecord, state: CrawlState, pace: CrawlPace): number {
  const last = state.lastCrawls.get(host.id)
  if (!last) return 0
  const { outcome, finishedAtMs } = last
  // Our own budget ended it: there is nothing to wait for.
  if (outcome === 'partial') return finishedAtMs + pace.retryMs.partial
  if (outcome !== 'complete') return finishedAtMs + slowed(pace.retryMs[outcome], finishedAtMs, state, pace)
  if ((state.presence.get(host.id)?.generation ?? 0) < state.generation) return 0
  return finishedAtMs + (last.lacking > 0 ? slowed(pace.lackingMs, finishedAtMs, state, pace) : pace.againMs)
}

/** Asks are three times as far apart each time, so that a host which lags for a day costs dozens of looks, not thousands. */
function slowed(shortestMs: number, askedAtMs: number, { publishedAtMs }: CrawlState, pace: CrawlPace): number {
  const laggedMs = publishedAtMs === undefined ? 0 : askedAtMs - publishedAtMs
  return Math.max(shortestMs, Math.min(2 * laggedMs, pace.slowestMs))
}
