// The fault matrix: real clients, a real Flotilla, and hosts that fail in every way that was seen in the field. `npm run matrix` runs
// all of it and writes docs/fault-matrix.md; this is the part that every run of the tests can afford.

import { afterAll, beforeAll, expect, test } from 'bun:test'
import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describeVersions } from '../kit/debian-packages.ts'
import { describeWith, unlessRoot } from '../kit/need-tool.ts'
import { type ClientName, clientNames } from './matrix/lane.ts'
import { runTable, type TableLetter, type Told } from './matrix/tables.ts'

const tools = ['docker', 'dockerd', 'containerd', 'ctr', 'podman', 'buildah', 'skopeo', 'openssl']
const tableLimitMs = 600_000

describeWith(
  'fault matrix',
  tools,
  unlessRoot(),
)('the fault matrix', () => {
  const folder = mkdtempSync(join(tmpdir(), 'flotilla-matrix-'))
  beforeAll(() => {
    chmodSync(folder, 0o711)
    console.log(describeVersions(tools))
  })
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  async function run(letter: TableLetter, clients: readonly ClientName[]): Promise<Told> {
    const told = await runTable(letter, { folder, clients })
    console.log(`Table ${letter}. ${told.title}\n\n${told.text}\n`)
    return told
  }

  test(
    'A: a fault that stands costs no pull, and nobody the redirect, whoever the client is',
    async () => expect((await run('A', clientNames)).missed).toEqual([]),
    tableLimitMs,
  )

  test(
    'B: the same with the default policy',
    async () => expect((await run('B', clientNames)).missed).toEqual([]),
    tableLimitMs,
  )

  test(
    'C: of faults that begin behind the proof docker and podman survive what can be survived',
    async () => expect((await run('C', ['docker', 'podman'])).missed).toEqual([]),
    tableLimitMs,
  )

  test(
    'D: a host that is good to the prober and bad to clients has three victims at most, of clients by script',
    async () => expect((await run('D', [])).missed).toEqual([]),
    tableLimitMs,
  )

  test(
    'E: in stream mode the same faults cost no pull',
    async () => expect((await run('E', ['docker', 'skopeo'])).missed).toEqual([]),
    tableLimitMs,
  )
})
