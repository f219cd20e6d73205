import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pino from 'pino'
import { listPopular } from '#catalogue/pulls.ts'
import type { Catalogue } from '#catalogue/schema.ts'
import { openSqlite } from '#catalogue/sqlite/open-sqlite.ts'
import { addTreeBlobs } from '#catalogue/tree-blobs.ts'
import { makeDigest } from '#oci/digest.ts'
import { makeCounters } from '#stages/redirect/counters.ts'
import { PullCounts, pullCountDefaults } from '#stages/redirect/pull-counts.ts'
import { takePullReports } from '#upkeep/take-pull-reports.ts'
import { type DeliverPulls, pullsToCatalogue, pullsToFolder, startPullHandOver } from './hand-over-pulls.ts'

const digest = makeDigest('sha256', 'ab'.repeat(32))
const nowMs = 20_500 * 86_400_000
const now = () => nowMs
const log = pino({ level: 'silent' })

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

const open = () => new PullCounts(pullCountDefaults, makeCounters(), () => 0.5)
const pullsNow = async () => (await listPopular(catalogue, 'stable', 20_500, 1))[0]?.pulls ?? 0
const stopAfter = async (pulls: PullCounts, deliver: DeliverPulls) => {
  const handOver = startPullHandOver(pulls, { channel: 'stable', deliver, now, log })
  await handOver.stop()
}

describe('at the stop of a front door', () => {
  test('its counts are in the catalogue, where that is open in its process', async () => {
    const pulls = open()
    for (const prefix of [1, 2, 3]) pulls.note(prefix, digest, nowMs)
    const before = await pullsNow()
    await stopAfter(pulls, pullsToCatalogue(catalogue))
    expect((await pullsNow()) - before).toBe(3)
    await stopAfter(pulls, pullsToCatalogue(catalogue))
    expect((await pullsNow()) - before).toBe(3)
  })

  test('else in a file, which the worker takes', async () => {
    const pulls = open()
    for (const prefix of [1, 2]) pulls.note(prefix, digest, nowMs)
    const before = await pullsNow()
    const spool = join(folder, 'frontdoor', '5001', 'pulls')
    await stopAfter(pulls, pullsToFolder(spool, now))
    expect(await readdir(spool)).toEqual([expect.stringMatching(/^[0-9]{15}-[0-9a-f]{8}\.pulls$/)])
    const onRefused = (_: string, error: Error) => {
      throw error
    }
    expect(
      await takePullReports(catalogue, { frontDoors: join(folder, 'frontdoor'), channels: ['stable'], onRefused }),
    ).toBe(1)
    expect((await pullsNow()) - before).toBe(2)
  })

  test('nothing is written when nothing was counted', async () => {
    const spool = join(folder, 'nothing')
    await stopAfter(open(), pullsToFolder(spool, now))
    await expect(readdir(spool)).rejects.toThrow('ENOENT')
  })
})

test('what cannot be delivered is kept for the next time: so when nobody takes the files', async () => {
  const pulls = open()
  pulls.note(1, digest, nowMs)
  const spool = join(folder, 'full')
  await mkdir(spool)
  for (let i = 0; i < 1000; i++) await writeFile(join(spool, `${i}.pulls`), '')
  await expect(pullsToFolder(spool, now)({ channel: 'stable', day: 1, counts: new Map() })).rejects.toThrow(
    '1000 reports',
  )
  await stopAfter(pulls, pullsToFolder(spool, now))
  expect((await readdir(spool)).length).toBe(1000)
  expect(pulls.take()).toEqual(new Map([[digest, 1]]))
})
