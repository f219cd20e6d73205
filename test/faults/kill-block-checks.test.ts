// kill -9 while files of block checks are written and merged: what is named is always there and whole, and nothing that was named is lost.

import { expect, test } from 'bun:test'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { BlockChecks } from '#snapshots/block-checks.ts'
import { type CheckFiles, parseCheckFiles } from '#snapshots/check-files.ts'
import { recordBytes } from '#snapshots/check-record.ts'
import { blockKey, checksOf, numberedDigest } from '../kit/check-files.ts'
import { startProcess } from '../kit/process.ts'
import { waitUntil } from '../kit/wait-until.ts'

const kills = 40
const writer = join(import.meta.dir, '../kit/write-checks-forever.ts')

async function readState(folder: string): Promise<CheckFiles | undefined> {
  const bytes = await readFile(join(folder, 'block-checks.json')).catch(() => undefined)
  return bytes && parseCheckFiles(bytes, 'stable')
}

test('kills lose nothing that was named', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'kill-checks-'))
  try {
    let held = 0
    let told = 0
    for (let round = 0; round < kills; round++) {
      const logFile = join(folder, `writer-${round}.log`)
      const running = startProcess(process.execPath, ['run', writer, folder], { logFile })
      await waitUntil(async () => ((await readState(folder))?.generation ?? 0) > held, { what: 'the writer writes' })
      // The one place where time itself is the subject: the moment of the kill.
      await new Promise((resolve) => setTimeout(resolve, Math.random() * 60))
      running.signal('SIGKILL')
      await running.exited
      told = Math.max(told, Number(/(\d+)\n[^\n]*$/.exec(running.output())?.[1] ?? 0))
      const state = (await readState(folder))!
      held = state.generation
      expect(held).toBeGreaterThanOrEqual(told)
      expect(state.files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)).toBe(held * recordBytes)
      await using checks = await BlockChecks.open(folder, state, blockKey)
      for (const n of [0, held >> 1, held - 1])
        expect(checksOf(n).equals((await checks.find(numberedDigest(n)))!.checks)).toBe(true)
      expect(await checks.find(numberedDigest(held))).toBeUndefined()
    }
    console.log(`block checks: ${kills} kills, ${held} blobs at the end`)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}, 120_000)
