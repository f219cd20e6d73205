// kill -9 of a front door over a copied tree while it takes generations: it starts again, without the copy, with no less than it has
// answered with, and goes on from there.

import { afterAll, beforeAll, expect, test } from 'bun:test'
import { mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { startCampus } from '../kit/campus-process.ts'
import { copyTree } from '../kit/copy-tree.ts'
import { findFreePort } from '../kit/free-port.ts'
import type { RunningProcess } from '../kit/process.ts'
import { digestOf } from '../kit/published-tree.ts'
import { openReleaseLine, type ReleaseLine } from '../kit/release-line.ts'
import { waitUntil } from '../kit/wait-until.ts'

const kills = 12
/** A look comes each second: the kill falls before, into or after it. */
const withinMs = 1500

let root: string
let line: ReleaseLine
let campus: RunningProcess | undefined
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'kill-campus-'))
  line = await openReleaseLine(join(root, 'publisher'))
})
afterAll(async () => {
  await campus?.[Symbol.asyncDispose]()
  await line[Symbol.asyncDispose]()
  await rm(root, { recursive: true })
})

test('what was answered once is answered after every kill', async () => {
  const copy = join(root, 'copy')
  const away = join(root, 'away')
  const place = { folder: join(root, 'campus'), copy, port: await findFreePort() }
  await mkdir(place.folder)
  const ask = (path: string) => fetch(`http://127.0.0.1:${place.port}/v2/app/${path}`)
  const generation = async () => Number((await ask('manifests/1')).headers.get('flotilla-generation'))
  const small = (n: number) => `the small blob of generation ${n}`
  const publish = async (n: number) => {
    await line.push('app', { tags: [String(n)], layers: [small(n)], note: String(n) })
    await line.promote([`app:${n}`])
    await line.publish()
    await copyTree(line.treeOf('stable'), copy)
  }

  await publish(1)
  campus = await startCampus(place)
  for (let round = 1; round <= kills; round++) {
    await publish(2 * round)
    const moved = pause(Math.random() * withinMs)
    await publish(2 * round + 1)
    await moved
    const answered = await generation()
    campus.signal('SIGKILL')
    await campus.exited

    await rename(copy, away)
    campus = await startCampus(place)
    const now = await generation()
    expect(now).toBeGreaterThanOrEqual(answered)
    for (let n = 1; n <= now; n++) {
      expect([n, (await ask(`manifests/${n}`)).status]).toEqual([n, 200])
      expect(await (await ask(`blobs/${digestOf(Buffer.from(small(n)))}`)).text()).toBe(small(n))
    }
    await rename(away, copy)
    await waitUntil(async () => (await generation()) === 2 * round + 1, { what: 'it follows again' })
  }
  const kept = await readdir(join(place.folder, 'data/copy', String(place.port), 'catalogue'))
  expect(kept.filter((name) => name.startsWith('.'))).toEqual([])
}, 120_000)
