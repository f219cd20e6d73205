import { expect, test } from 'bun:test'
import { type CrawlPace, dueCrawls } from './due-crawls.ts'
import type { CrawlOutcome, CrawlRecord, HostRecord } from './host-records.ts'

const pace: CrawlPace = {
  againMs: 600_000,
  lackingMs: 90_000,
  retryMs: { partial: 1_000, behind: 30_000, trouble: 60_000, unsuitable: 120_000, lying: 300_000 },
  slowestMs: 600_000,
}
const now = 10_000_000

const host = (id: number, about: Partial<HostRecord> = {}) =>
  ({
    id,
    isAdminActive: true,
    isUserActive: true,
    categories: [{ category: 'stable', urls: ['http://a'] }],
    ...about,
  }) as HostRecord

type Past = {
  readonly outcome: CrawlOutcome
  readonly agoMs: number
  readonly generation: number
  readonly lacking?: number
}

const due = (past: Past | undefined, about: Partial<HostRecord> = {}, generation = 5) =>
  dueCrawls(
    {
      channel: 'stable',
      generation,
      hosts: [host(1, about)],
      presence: new Map(past ? [[1, { generation: past.generation, missing: [], extra: [] }]] : []),
      lastCrawls: new Map(
        past
          ? [[1, { outcome: past.outcome, finishedAtMs: now - past.agoMs, lacking: past.lacking ?? 0 } as CrawlRecord]]
          : [],
      ),
    },
    pace,
    now,
  ).length === 1

test.each<[string, Past | undefined, boolean]>([
  ['a new host', undefined, true],
  ['a whole host, just crawled', { outcome: 'complete', agoMs: 1, generation: 5 }, false],
  ['a whole host, long ago', { outcome: 'complete', agoMs: 600_000, generation: 5 }, true],
  ['a host that lacked blobs, soon after', { outcome: 'complete', agoMs: 89_999, generation: 5, lacking: 3 }, false],
  ['and a while after', { outcome: 'complete', agoMs: 90_000, generation: 5, lacking: 3 }, true],
  ['a new generation', { outcome: 'complete', agoMs: 1, generation: 4 }, true],
  ['a cut crawl, a second ago', { outcome: 'partial', agoMs: 1_000, generation: 4 }, true],
  ['a host that said it is behind', { outcome: 'behind', agoMs: 29_999, generation: 4 }, false],
  ['and half a minute later', { outcome: 'behind', agoMs: 30_000, generation: 4 }, true],
  ['trouble', { outcome: 'trouble', agoMs: 59_999, generation: 4 }, false],
  ['a liar', { outcome: 'lying', agoMs: 299_999, generation: 4 }, false],
])('%s', (_, past, expected) => {
  expect(due(past)).toBe(expected)
})

test.each<[string, CrawlOutcome, number, number, number]>([
  ['soon after the publication: at its shortest', 'behind', 5_000, 30_000, 0],
  ['a minute after: in two minutes', 'behind', 60_000, 120_000, 0],
  ['and so is one that lacks blobs', 'complete', 180_000, 360_000, 2],
  ['hours after: no slower than the slowest', 'behind', 7_200_000, 600_000, 0],
  ['what our budget cut does not wait', 'partial', 7_200_000, 1_000, 0],
])('a host that lags is asked ever less often: %s', (_, outcome, laggedMs, waitMs, lacking) => {
  const finishedAtMs = now - waitMs
  const state = {
    channel: 'stable',
    generation: 5,
    publishedAtMs: finishedAtMs - laggedMs,
    hosts: [host(1)],
    presence: new Map([[1, { generation: outcome === 'complete' ? 5 : 4, missing: [], extra: [] }]]),
    lastCrawls: new Map([[1, { outcome, finishedAtMs, lacking } as CrawlRecord]]),
  }
  const isDue = (nowMs: number) => dueCrawls(state, pace, nowMs).length === 1
  expect([isDue(now - 1), isDue(now)]).toEqual([false, true])
})

test('neither those that are switched off, nor without an address, nor before anything is published', () => {
  expect(due(undefined, { isAdminActive: false })).toBe(false)
  expect(due(undefined, { isUserActive: false })).toBe(false)
  expect(due(undefined, { categories: [{ category: 'testing', urls: ['http://a'] }] })).toBe(false)
  expect(due(undefined, {}, 0)).toBe(false)
})

test('who waits longest comes first', () => {
  const lastCrawls = new Map(
    [2, 1, 3].map((id, i) => [id, { outcome: 'complete', finishedAtMs: i, lacking: 0 } as CrawlRecord]),
  )
  const state = {
    channel: 'stable',
    generation: 1,
    hosts: [host(1), host(2), host(3), host(4)],
    presence: new Map(),
    lastCrawls,
  }
  expect(dueCrawls(state, pace, now).map(({ id }) => id)).toEqual([2, 4, 1, 3])
})
