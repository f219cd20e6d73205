import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pino from 'pino'
import { listPopular } from '#catalogue/pulls.ts'
import type { Catalogue } from '#catalogue/schema.ts'
import { openSqlite } from '#catalogue/sqlite/open-sqlite.ts'
import { listStatistics } from '#catalogue/statistics.ts'
import { addTreeBlobs } from '#catalogue/tree-blobs.ts'
import { makeDigest } from '#oci/digest.ts'
import type { PullReport } from '#snapshots/pull-report.ts'
import { makeCounters } from '#stages/redirect/counters.ts'
import { PullCounts, pullCountDefaults } from '#stages/redirect/pull-counts.ts'
import { Statistics, statisticsDefaults } from '#stages/redirect/statistics.ts'
import { takePullReports } from '#upkeep/take-pull-reports.ts'
import { type DeliverPulls, pullsToCatalogue, pullsToFolder, startPullHandOver } from './hand-over-pulls.ts'

const digest = makeDigest('sha256', 'ab'.repeat(32))
const nowMs = 20_500 * 86_400_000
const now = () => nowMs
const log = pino({ level: 'silent' })
const rules = { maxSubjects: 100, now }

let folder: string
let catalogue: Catalogue
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hand-over-'))
  catalogue = await openSqlite(':memory:')
  await catalogue.transaction().execute((tx) => addTreeBlobs(tx, 'stable', [{ digest, sizeBytes: 9, generation: 1 }]))
})
afterAll(async () => {
  await catalogue.destroy()
  await rm(folder, { recursive: true })
})

const open = () => ({
  pulls: new PullCounts(pullCountDefaults, makeCounters(), () => 0.5),
  statistics: new Statistics(statisticsDefaults),
})
type Counts = ReturnType<typeof open>
const note = ({ pulls, statistics }: Counts, prefixes: readonly number[]) => {
  for (const prefix of prefixes) {
    pulls.note(prefix, digest, nowMs)
    statistics.note('redirected', 'DE', 'fedora/base', 9)
  }
}
const countedNow = async () => {
  const query = { channel: 'stable', kind: 'country', fromMs: 0, toMs: nowMs + 1, limit: 10 }
  const rows = await listStatistics(catalogue, query)
  return {
    pulls: (await listPopular(catalogue, 'stable', 20_500, 1))[0]?.pulls ?? 0,
    redirects: rows.reduce((sum, { values }) => sum + values[0]!, 0),
  }
}
const start = (counts: Counts, deliver: DeliverPulls) =>
  startPullHandOver(counts, { channel: 'stable', deliver, now, log })
const stopAfter = (counts: Counts, deliver: DeliverPulls) => start(counts, deliver).stop()
const takeFrom = (frontDoors: string) => {
  const onRefused = (_: string, error: Error) => {
    throw error
  }
  return takePullReports(catalogue, { frontDoors, channels: ['stable'], ...rules, onRefused })
}

describe('at the stop of a front door', () => {
  test('its counts are in the catalogue, where that is open in its process', async () => {
    const counts = open()
    note(counts, [1, 2, 3])
    const before = await countedNow()
    await stopAfter(counts, pullsToCatalogue(catalogue, rules))
    expect(await countedNow()).toEqual({ pulls: before.pulls + 3, redirects: before.redirects + 3 })
    await stopAfter(counts, pullsToCatalogue(catalogue, rules))
    expect(await countedNow()).toEqual({ pulls: before.pulls + 3, redirects: before.redirects + 3 })
  })

  test('else in a file, which the worker takes', async () => {
    const counts = open()
    note(counts, [1, 2])
    const before = await countedNow()
    const spool = join(folder, 'frontdoor', '5001', 'pulls')
    await stopAfter(counts, pullsToFolder(spool))
    expect(await readdir(spool)).toEqual([expect.stringMatching(/^[0-9a-f]{32}-0{14}1\.pulls$/)])
    expect(await takeFrom(join(folder, 'frontdoor'))).toBe(1)
    expect(await countedNow()).toEqual({ pulls: before.pulls + 2, redirects: before.redirects + 2 })
  })

  test('nothing is written when nothing was counted', async () => {
    const spool = join(folder, 'nothing')
    await stopAfter(open(), pullsToFolder(spool))
    await expect(readdir(spool)).rejects.toThrow('ENOENT')
  })
})

test('nobody takes the files: no more are written, the front door says why and keeps what it counts', async () => {
  const spool = join(folder, 'full')
  await mkdir(spool)
  for (let i = 0; i < 1000; i++) await writeFile(join(spool, `${i}.pulls`), '')
  const counts = open()
  note(counts, [1])
  const handOver = start(counts, pullsToFolder(spool))
  await handOver.stop()
  expect((await readdir(spool)).length).toBe(1000)
  await rm(spool, { recursive: true })
  await handOver.stop()
  expect((await readdir(spool)).length).toBe(1)
})

test('a report whose delivery failed, perhaps after it was taken, is told again as it was: what is new waits for the next', async () => {
  const toCatalogue = pullsToCatalogue(catalogue, rules)
  const told: PullReport[] = []
  let isAnswerLost = true
  const counts = open()
  const before = await countedNow()
  const handOver = start(counts, async (report) => {
    told.push(report)
    await toCatalogue(report)
    if (isAnswerLost) throw new Error('the connection broke after the report was taken')
  })
  note(counts, [11])
  await handOver.stop()
  note(counts, [12, 13])
  isAnswerLost = false
  await handOver.stop()
  expect(told.map(({ sequence }) => sequence)).toEqual([1, 1, 2])
  expect(told[1]).toEqual(told[0]!)
  expect(await countedNow()).toEqual({ pulls: before.pulls + 3, redirects: before.redirects + 3 })
})
