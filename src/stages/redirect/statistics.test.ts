import { expect, test } from 'bun:test'
import fc from 'fast-check'
import { isSubject, measures, type StatisticsRow } from '#snapshots/statistics.ts'
import { Statistics, statisticsDefaults } from './statistics.ts'

/** Only what is not 0. */
function tableOf(rows: readonly StatisticsRow[]): Record<string, Record<string, number>> {
  return Object.fromEntries(
    rows.map(({ kind, subject, values }) => [
      `${kind} ${subject}`,
      Object.fromEntries(measures.map((name, i) => [name, values[i]!] as const).filter(([, value]) => value !== 0)),
    ]),
  )
}

test('each answer is counted by country and repository, hosts and tags beside it', () => {
  const statistics = new Statistics(statisticsDefaults)
  statistics.note('redirected', 'DE', 'fedora/base', 1000)
  statistics.noteHost('mirror.example.org', 1000)
  statistics.note('redirected', 'DE', 'fedora/base', 500)
  statistics.noteHost('mirror.example.org', 500)
  statistics.noteHeld('mirror.example.org')
  statistics.note('held', 'DE', 'fedora/base')
  statistics.note('manifest', undefined, 'fedora/base', 10)
  statistics.noteTag('manifest', 'fedora/base', 'latest', 10)
  statistics.noteTag('told', 'fedora/base', 'latest', 0)
  statistics.note('refused', 'FR', undefined)
  expect(tableOf(statistics.take())).toEqual({
    'host mirror.example.org': { redirects: 2, redirectedBytes: 1500, held: 1 },
    'country DE': { redirects: 2, redirectedBytes: 1500, held: 1 },
    'country (unknown)': { manifests: 1, manifestBytes: 10 },
    'country FR': { refused: 1 },
    'repository fedora/base': { redirects: 2, redirectedBytes: 1500, held: 1, manifests: 1, manifestBytes: 10 },
    'repository (unknown)': { refused: 1 },
    'tag fedora/base:latest': { manifests: 1, manifestBytes: 10, told: 1 },
  })
  expect(statistics.take()).toEqual([])
})

test('as the slow twin counts, whatever comes; past the bound all names share a row, and nothing is lost', () => {
  const ways = ['redirected', 'manifest', 'packed', 'origin', 'streamed'] as const
  const answer = fc.record({
    way: fc.constantFrom(...ways),
    repository: fc.nat(12).map((n) => `r${n}`),
    tag: fc.nat(3).map((n) => `t${n}`),
    bytes: fc.nat(1_000_000),
  })
  fc.assert(
    fc.property(fc.array(answer, { maxLength: 200 }), fc.integer({ min: 1, max: 60 }), (answers, maxNames) => {
      const statistics = new Statistics({ maxNames })
      const named = { repository: new Set<string>(), tag: new Set<string>() }
      const expected = new Map<string, number>()
      const count = (kind: 'repository' | 'tag', name: string, column: number, bytes: number) => {
        if (named[kind].size < maxNames) named[kind].add(name)
        const subject = `${kind} ${named[kind].has(name) ? name : '(other)'}`
        for (const [at, add] of [[column, 1] as const, [column + 1, bytes] as const])
          expected.set(`${subject} ${at}`, (expected.get(`${subject} ${at}`) ?? 0) + add)
      }
      for (const { way, repository, tag, bytes } of answers) {
        statistics.note(way, 'DE', repository, bytes)
        statistics.noteTag('manifest', repository, tag, bytes)
        count('repository', repository, ways.indexOf(way) * 2, bytes)
        count('tag', `${repository}:${tag}`, 2, bytes)
      }
      const rows = statistics.take().filter(({ kind }) => kind !== 'country')
      for (const { kind, subject, values } of rows) {
        expect(isSubject(subject)).toBe(true)
        for (const [at, value] of values.entries()) expect(value).toBe(expected.get(`${kind} ${subject} ${at}`) ?? 0)
      }
      const summed = rows.flatMap(({ values }) => values).reduce((sum, value) => sum + value, 0)
      expect(summed).toBe([...expected.values()].reduce((sum, value) => sum + value, 0))
      for (const kind of ['repository', 'tag'])
        expect(rows.filter((row) => row.kind === kind).length).toBeLessThanOrEqual(maxNames + 1)
    }),
  )
})
