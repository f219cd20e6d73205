// Where a front door finds block checks and their key, and what it says while it lacks one of them.
import { afterEach, beforeEach, expect, test } from 'bun:test'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { makeConfig } from '#config/config.ts'
import { loadSettings } from '#config/load-config.ts'
import { blockKey, checksOf, numberedDigest, openCheckFolder, recordOf } from '../../test/kit/check-files.ts'
import { waitUntil } from '../../test/kit/wait-until.ts'
import { followBlockChecks } from './follow-block-checks.ts'

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'follow-checks-'))
})
afterEach(() => rm(folder, { recursive: true, force: true }))

test('a front door of a data folder takes its checks when their key is there, and says once that it is not', async () => {
  const config = makeConfig(loadSettings({ flags: { data: folder }, environment: {}, folder }).settings)
  const files = openCheckFolder(join(folder, 'snapshots', 'stable'))
  await files.add({ ...(await files.load()), generation: 1, digest: 'x' }, [recordOf(1)])
  const lines: string[] = []
  const log = pino({ level: 'warn' }, { write: (line: string) => void lines.push(line) })
  const { blockChecks, follower } = followBlockChecks(config, log)
  for (let i = 0; i < 3; i++) await follower.runNow()
  expect(await blockChecks.find(numberedDigest(1))).toBeUndefined()
  expect(lines.length).toBe(1)
  expect(lines[0]).toContain('copy keys/block.key')

  await mkdir(join(folder, 'keys'), { recursive: true })
  await writeFile(join(folder, 'keys', 'block.key'), Buffer.alloc(32, 7))
  await waitUntil(
    async () => {
      await follower.runNow()
      return await blockChecks.find(numberedDigest(1))
    },
    { what: 'the checks are taken' },
  )
  const found = (await blockChecks.find(numberedDigest(1)))!
  expect(checksOf(1).equals(found.checks)).toBe(true)
  expect(found.key.id).toBe(blockKey.id)
  await follower.stop()
  await blockChecks[Symbol.asyncDispose]()
})
