// What statistics may rely on, for every engine.

import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { type FrontReport, takeReport } from './reports.ts'
import type { Catalogue } from './schema.ts'
import {
  listStatistics,
  listStatisticsBySteps,
  numberColumns,
  rollUpStatistics,
  type StatisticsAges,
} from './statistics.ts'

const hourMs = 3_600_000
const dayMs = 24 * hourMs
const nowMs = Date.UTC(2026, 2, 15, 12)
const ages: StatisticsAges = {
  hoursKeptMs: 2 * dayMs,
  daysKeptMs: 40 * dayMs,
  monthsKeptMs: 400 * dayMs,
  maxSubjects: 5,
}

let sources = 0
const freshSource = () => (++sources).toString(16).padStart(32, '0')

/** `redirects` of one subject, and as many bytes. */
const row = (subject: string, redirects: number, kind = 'country') => ({
  kind,
  subject,
  values: numberColumns.map((_, i) => (i < 2 ? redirects : 0)),
})

export function statisticsContract(engine: string, open: () => Promise<Catalogue>): void {
  describe(`statistics on ${engine}`, () => {
    let catalogue: Catalogue
    let channels = 0
    const freshChannel = () => `channel${++channels}`
    const take = (report: Partial<FrontReport> & Pick<FrontReport, 'channel' | 'statistics'>, maxSubjects = 5) =>
      takeReport(
        catalogue,
        { source: freshSource(), sequence: 1, atMs: nowMs, counts: new Map(), ...report },
        { maxSubjects, nowMs },
      )
    const list = async (channel: string, kind = 'country', limit = 100) => {
      const rows = await listStatistics(catalogue, { channel, kind, fromMs: 0, toMs: nowMs + 1, limit })
      return rows.map(({ subject, values }) => [subject, values[0]!] as const)
    }
    const spansOf = async (channel: string) => {
      const rows = await catalogue
        .selectFrom('statistics')
        .select(['span', 'start_ms', 'subject', 'redirects'])
        .where('channel', '=', channel)
        .orderBy('start_ms')
        .orderBy('subject')
        .execute()
      return rows.map(
        (one) => `${one.span} ${new Date(one.start_ms).toISOString().slice(0, 13)} ${one.subject} ${one.redirects}`,
      )
    }

    beforeAll(async () => {
      catalogue = await open()
    })
    afterAll(() => catalogue.destroy())

    test('of one hour add up, the most first; other kinds and channels are apart', async () => {
      const channel = freshChannel()
      await take({ channel, statistics: [row('DE', 2), row('FR', 4), row('h1', 9, 'host')] })
      await take({ channel, statistics: [row('DE', 3)] })
      await take({ channel: freshChannel(), statistics: [row('DE', 100)] })
      expect(await list(channel)).toEqual([
        ['DE', 5],
        ['FR', 4],
      ])
      expect(await list(channel, 'host')).toEqual([['h1', 9]])
      expect(await list(channel, 'country', 1)).toEqual([['DE', 5]])
      expect(await spansOf(channel)).toContain('hour 2026-03-15T12 DE 5')
    })

    test('a report counts once, however often and in whatever company it comes', async () => {
      const channel = freshChannel()
      const source = freshSource()
      const first = { channel, source, sequence: 1, statistics: [row('DE', 1)], counts: new Map([['sha256:a', 1]]) }
      const taken = await Promise.all([take(first), take(first), take(first)])
      expect(taken.filter(Boolean)).toHaveLength(1)
      expect(await take({ ...first, sequence: 2 })).toBe(true)
      expect(await take(first)).toBe(false)
      expect(await list(channel)).toEqual([['DE', 2]])
      const pulls = await catalogue.selectFrom('pulls').select('count').where('channel', '=', channel).execute()
      expect(pulls).toEqual([{ count: 2 }])
    })

    test('a report that cannot be taken whole leaves nothing, and may come again', async () => {
      const channel = freshChannel()
      const source = freshSource()
      const broken = { channel, source, counts: new Map([['sha256:a', Number.NaN]]), statistics: [row('DE', 1)] }
      await expect(take(broken)).rejects.toThrow()
      expect(await take({ ...broken, counts: new Map([['sha256:a', 1]]) })).toBe(true)
      expect(await list(channel)).toEqual([['DE', 1]])
    })

    test('an hour keeps so many names, those that came first; the others are counted together', async () => {
      const channel = freshChannel()
      const names = Array.from({ length: 8 }, (_, n) => `r${n}`)
      await take({ channel, statistics: [...names.slice(0, 4), '(unknown)'].map((name) => row(name, 1, 'repository')) })
      await take({ channel, statistics: names.map((name) => row(name, 10, 'repository')) })
      const rows = new Map(await list(channel, 'repository'))
      expect(rows.get('(unknown)')).toBe(1)
      expect(rows.get('(other)')).toBe(30)
      expect(['r0', 'r1', 'r2', 'r3'].map((name) => rows.get(name))).toEqual([11, 11, 11, 11])
      expect(rows.size).toBe(5 + 2)
    })

    test('a clock that is ahead counts for now', async () => {
      const channel = freshChannel()
      await take({ channel, atMs: nowMs + 400 * dayMs, statistics: [row('DE', 1)] })
      expect(await list(channel)).toEqual([['DE', 1]])
    })

    test('by steps: hours, days and months, in order', async () => {
      const channel = freshChannel()
      for (const [hours, redirects] of [
        [0, 1],
        [1, 2],
        [20, 4],
        [24 * 20, 8],
      ] as const)
        await take({ channel, atMs: nowMs - hours * hourMs, statistics: [row('DE', redirects)] })
      const query = { channel, kind: 'country', fromMs: 0, toMs: nowMs + 1, limit: 10 }
      const steps = async (step: 'hour' | 'day' | 'month') =>
        (await listStatisticsBySteps(catalogue, query, step)).map(({ startMs, values }) => [
          new Date(startMs).toISOString().slice(0, 13),
          values[0],
        ])
      expect(await steps('hour')).toEqual([
        ['2026-02-23T12', 8],
        ['2026-03-14T16', 4],
        ['2026-03-15T11', 2],
        ['2026-03-15T12', 1],
      ])
      expect(await steps('day')).toEqual([
        ['2026-02-23T00', 8],
        ['2026-03-14T00', 4],
        ['2026-03-15T00', 3],
      ])
      expect(await steps('month')).toEqual([
        ['2026-02-01T00', 8],
        ['2026-03-01T00', 7],
      ])
    })

    test('old hours become days, old days months, old months go; late reports find their place; again changes nothing', async () => {
      const channel = freshChannel()
      const at = (days: number, redirects: number) =>
        take({ channel, atMs: nowMs - days * dayMs, statistics: [row('DE', redirects)] })
      for (const [days, redirects] of [
        [0, 1],
        [1, 2],
        [5, 4],
        [5.1, 8],
        [80, 16],
        [81, 32],
        [500, 64],
      ] as const)
        await at(days, redirects)
      await rollUpStatistics(catalogue, nowMs, ages)
      const expected = [
        'month 2025-12-01T00 DE 48',
        'day 2026-03-10T00 DE 12',
        'hour 2026-03-14T12 DE 2',
        'hour 2026-03-15T12 DE 1',
      ]
      expect(await spansOf(channel)).toEqual(expected)
      await rollUpStatistics(catalogue, nowMs, ages)
      expect(await spansOf(channel)).toEqual(expected)
      await at(5, 100)
      await rollUpStatistics(catalogue, nowMs, ages)
      expect(await spansOf(channel)).toContain('day 2026-03-10T00 DE 112')
    })

    test('nothing is lost while it grows old, and rows stay within the bound', async () => {
      const answer = fc.record({
        hours: fc.nat(24 * 300),
        name: fc.nat(9),
        redirects: fc.integer({ min: 1, max: 1000 }),
      })
      await fc.assert(
        fc.asyncProperty(fc.array(answer, { maxLength: 25 }), async (answers) => {
          const channel = freshChannel()
          for (const { hours, name, redirects } of answers)
            await take({ channel, atMs: nowMs - hours * hourMs, statistics: [row(`n${name}`, redirects)] })
          for (const days of [0, 3, 30, 60]) await rollUpStatistics(catalogue, nowMs + days * dayMs, ages)
          const rows = await catalogue.selectFrom('statistics').selectAll().where('channel', '=', channel).execute()
          expect(rows.reduce((sum, one) => sum + one.redirects, 0)).toBe(
            answers.reduce((sum, one) => sum + one.redirects, 0),
          )
          const ofPeriod = Map.groupBy(rows, (one) => `${one.span} ${one.start_ms}`)
          for (const period of ofPeriod.values()) expect(period.length).toBeLessThanOrEqual(ages.maxSubjects + 2)
        }),
        { numRuns: 10 },
      )
    })
  })
}
