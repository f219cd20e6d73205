import { afterAll, beforeEach, expect, test } from 'bun:test'
import { mkdir, mkdtemp, readdir, rm, symlink, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Catalogue } from '#catalogue/schema.ts'
import { openSqlite } from '#catalogue/sqlite/open-sqlite.ts'
import { makeDigest } from '#oci/digest.ts'
import { encodePullReport, maxPullReportBytes } from '#snapshots/pull-report.ts'
import { measures } from '#snapshots/statistics.ts'
import { takePullReports } from './take-pull-reports.ts'

const digest = (n: number) => makeDigest('sha256', n.toString(16).padStart(64, '0'))
const nowMs = 20_500 * 86_400_000
let reports = 0
const report = (n: number, pulls: number, channel = 'stable') =>
  encodePullReport({
    channel,
    source: (++reports).toString(16).padStart(32, '0'),
    sequence: 1,
    atMs: nowMs,
    counts: new Map([[digest(n), pulls]]),
    statistics: [{ kind: 'country', subject: 'DE', values: measures.map(() => pulls) }],
  })

const folder = await mkdtemp(join(tmpdir(), 'take-pulls-'))
const catalogues: Catalogue[] = []
afterAll(async () => {
  for (const catalogue of catalogues) await catalogue.destroy()
  await rm(folder, { recursive: true })
})
let count = 0
let frontDoors: string
let catalogue: Catalogue
let refusals: string[]
beforeEach(async () => {
  catalogue = await openSqlite(':memory:')
  catalogues.push(catalogue)
  frontDoors = join(folder, `${++count}`)
  refusals = []
})

const take = () =>
  takePullReports(catalogue, {
    frontDoors,
    channels: ['stable'],
    maxSubjects: 100,
    now: () => nowMs,
    onRefused: (path, error) => refusals.push(`${path.slice(frontDoors.length + 1)}: ${error.message}`),
  })
const pullsOf = (port: string) => join(frontDoors, port, 'pulls')
const put = async (port: string, name: string, text: string) => {
  await mkdir(pullsOf(port), { recursive: true })
  await writeFile(join(pullsOf(port), name), text)
}
const counted = async () => {
  const rows = await catalogue.selectFrom('pulls').selectAll().orderBy('digest').execute()
  return rows.map((row) => [Number.parseInt(row.digest.slice(7), 16), row.channel, row.day, row.count])
}

test('without any front door there is nothing to take', async () => {
  expect(await take()).toBe(0)
})

test('reports of all front doors add up, once, and are gone then', async () => {
  await put('5001', '000000000000001-0a.pulls', report(1, 2))
  await put('5001', '000000000000002-0b.pulls', report(1, 3))
  await put('6001', '000000000000001-0c.pulls', report(2, 7))
  // Under way, or somebody else's.
  await put('6001', '.000000000000003-0d.pulls.0011.tmp', report(2, 100))
  await writeFile(join(frontDoors, 'note.txt'), 'left by the operator')
  expect(await take()).toBe(3)
  expect(await take()).toBe(0)
  expect(await counted()).toEqual([
    [1, 'stable', 20_500, 5],
    [2, 'stable', 20_500, 7],
  ])
  expect(await readdir(pullsOf('5001'))).toEqual([])
  expect(refusals).toEqual([])
})

test('a report that a killed worker left behind after its commit counts once', async () => {
  const text = report(1, 2)
  await put('5001', '1.pulls', text)
  expect(await take()).toBe(1)
  await put('5001', '1.pulls', text)
  expect(await take()).toBe(1)
  expect(await readdir(pullsOf('5001'))).toEqual([])
  expect(await counted()).toEqual([[1, 'stable', 20_500, 2]])
  const rows = await catalogue.selectFrom('statistics').select(['kind', 'subject', 'redirects']).execute()
  expect(rows).toEqual([{ kind: 'country', subject: 'DE', redirects: 2 }])
})

test('what is damaged, huge, foreign or no file is told of and moved aside; the others count', async () => {
  await put('5001', '1.pulls', report(1, 2).slice(0, -3))
  await put('5001', '2.pulls', report(1, 2, 'candidate'))
  await put('5001', '3.pulls', '')
  await truncate(join(pullsOf('5001'), '3.pulls'), maxPullReportBytes + 1)
  await symlink('/etc/passwd', join(pullsOf('5001'), '4.pulls'))
  await put('5001', '5.pulls', report(1, 2))
  expect(await take()).toBe(1)
  expect(await counted()).toEqual([[1, 'stable', 20_500, 2]])
  expect(refusals).toEqual([
    expect.stringMatching(/^5001\/pulls\/1\.pulls\.refused: .*cut short/),
    expect.stringMatching(/^5001\/pulls\/2\.pulls\.refused: .*candidate is not published here/),
    expect.stringMatching(/^5001\/pulls\/3\.pulls\.refused: .*at most/),
    expect.stringMatching(/^5001\/pulls\/4\.pulls\.refused: .*no file/),
  ])
  expect(await take()).toBe(0)
  expect(refusals).toHaveLength(4)
  expect((await readdir(pullsOf('5001'))).toSorted()).toEqual([1, 2, 3, 4].map((n) => `${n}.pulls.refused`))
})

test('reports stay when the catalogue does not take them', async () => {
  await put('5001', '1.pulls', report(1, 2))
  const closed = await openSqlite(':memory:')
  await closed.destroy()
  const onRefused = () => undefined
  const rules = { channels: ['stable'], maxSubjects: 100, now: () => nowMs }
  const taking = takePullReports(closed, { frontDoors, ...rules, onRefused })
  await expect(taking).rejects.toThrow()
  expect(await readdir(pullsOf('5001'))).toEqual(['1.pulls'])
  expect(await take()).toBe(1)
})
