// kill -9 in the middle of copying, at random moments. At no moment may a finished name hold wrong bytes, or metadata name
// what is not there; and the next run goes on.

import { afterAll, beforeAll, expect, test } from 'bun:test'
import { existsSync } from 'node:fs'
import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { blobPath, type Digest, parseDigest } from '#oci/digest.ts'
import { timestampPath } from '#snapshots/tree-contents.ts'
import { runProgram, startProcess } from '../kit/process.ts'
import { digestOf, PublishedTree } from '../kit/published-tree.ts'
import { readContents } from '../kit/read-contents.ts'
import { startTreeOrigin, type TreeOrigin } from '../kit/tree-origin.ts'
import { waitUntil } from '../kit/wait-until.ts'

const wantedKills = 20
const program = join(import.meta.dir, '../../src/cli/main.ts')

let root: string
let to: string
let tree: PublishedTree
let origin: TreeOrigin
const generations = new Map<number, ReadonlySet<Digest>>()

/** Half of the blobs go, as many come. */
async function publish(): Promise<void> {
  const old = [...tree.blobs.keys()]
  for (const digest of old.slice(0, old.length / 2)) tree.remove(digest)
  while (tree.blobs.size < 24) {
    const bytes = new Uint8Array(tree.blobs.size % 2 === 0 ? 60_000 : 1_500_000)
    crypto.getRandomValues(bytes.subarray(0, 60_000))
    await tree.add(bytes)
  }
  await tree.publish()
  generations.set(tree.generation, new Set(tree.blobs.keys()))
}

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'replicate-kill-'))
  to = join(root, 'copy')
  tree = await PublishedTree.make(join(root, 'tree'), join(root, 'keys'))
  origin = startTreeOrigin(tree.folder)
  await publish()
})
afterAll(async () => {
  await origin.listener.stop(100)
  await rm(root, { recursive: true })
})

function argumentsFor(folder: string): string[] {
  const small = ['--name', 'host', '--min-free', '0', '--grace', '0s', '--json']
  return [program, 'replicate', '--from', origin.url, '--to', folder, ...small]
}

async function blobsIn(folder: string): Promise<Map<Digest, Buffer>> {
  const blobs = new Map<Digest, Buffer>()
  const entries = await readdir(join(folder, 'blobs'), { recursive: true, withFileTypes: true }).catch(() => [])
  for (const entry of entries) {
    if (entry.isFile())
      blobs.set(parseDigest(`sha256:${entry.name}`)!, await readFile(join(entry.parentPath, entry.name)))
  }
  return blobs
}

/** What a client and a crawler may rely on at any moment. Gives back the generation that the metadata tell, or 0. */
async function expectSound(): Promise<number> {
  const blobs = await blobsIn(to)
  for (const [digest, bytes] of blobs) expect(digestOf(bytes)).toBe(digest)
  if (!existsSync(join(to, timestampPath))) return 0
  const { generation, lists, packs } = await readContents(to)
  for (const digest of generations.get(generation)!) expect(blobs.has(digest)).toBe(true)
  for (const { path, digest } of [...lists, ...packs]) expect(digestOf(await readFile(join(to, path)))).toBe(digest)
  return generation
}

/** Runs to the end, or to a kill so long after the run asked for the timestamp; starting up is not what is tested. */
async function run(folder: string, killAfterMs?: number): Promise<{ code: number; copyingMs: number }> {
  const child = startProcess(process.execPath, argumentsFor(folder), { logFile: join(root, 'log') })
  let startedMs = performance.now()
  let killer: Timer | undefined
  origin.interfere = (ask) => {
    if (ask.path !== `/${timestampPath}`) return undefined
    startedMs = performance.now()
    if (killAfterMs !== undefined) killer = setTimeout(() => child.signal('SIGKILL'), killAfterMs)
    return undefined
  }
  const code = await child.exited
  clearTimeout(killer)
  return { code, copyingMs: performance.now() - startedMs }
}

test(`${wantedKills} kills at random moments leave a sound copy that the next run completes`, async () => {
  const whole = await run(join(root, 'unharmed'))
  expect(whole.code).toBe(0)

  let kills = 0
  let resumed = 0
  while (kills < wantedKills) {
    const { code } = await run(to, whole.copyingMs * Math.random())
    const generation = await expectSound()
    const parts = await readdir(join(to, '.replicate/parts')).catch(() => [])
    if (parts.length > 0) resumed++
    if (code === 0) expect(generation).toBe(tree.generation)
    else kills++
    if (generation === tree.generation) await publish()
  }
  expect(resumed).toBeGreaterThan(0)

  const last = await runProgram(process.execPath, argumentsFor(to))
  expect(JSON.parse(last.stdout)).toMatchObject({ generation: tree.generation })
  expect(await expectSound()).toBe(tree.generation)
  expect(await readdir(join(to, '.replicate/parts'))).toEqual([])
  expect((await stat(join(to, 'trace/host'))).isFile()).toBe(true)
  const { stdout } = await runProgram(process.execPath, [...argumentsFor(to), '--check'])
  expect(JSON.parse(stdout)).toMatchObject({ damaged: 0, files: 0 })
  for (const digest of tree.blobs.keys()) expect((await stat(join(to, blobPath(digest)))).mode & 0o777).toBe(0o644)
}, 300_000)

test('with publications going on, a trace names at every kill a generation whose every blob is there', async () => {
  to = join(root, 'restless')
  let isOver = false
  const publishing = (async () => {
    while (!isOver) await publish()
  })()
  const named = new Set<number>()
  const expectTraced = async () => {
    const trace = await readFile(join(to, 'trace/host'), 'utf8').catch(() => undefined)
    if (trace === undefined) return
    const { generation } = JSON.parse(trace)
    for (const digest of generations.get(generation)!)
      expect(digestOf(await readFile(join(to, blobPath(digest)))), `generation ${generation}`).toBe(digest)
    named.add(generation)
  }
  try {
    const { code, copyingMs } = await run(to)
    expect(code).toBe(0)
    for (let kills = 0; kills < wantedKills; ) {
      const ended = await run(to, copyingMs * 1.5 * Math.random())
      await expectTraced()
      if (ended.code !== 0) kills++
    }
  } finally {
    isOver = true
    await publishing
  }
  expect(named.size).toBeGreaterThan(1)
  expect((await run(to)).code).toBe(0)
  expect(await expectSound()).toBe(tree.generation)
}, 300_000)

test('a second run beside a running one is refused with its pid; TERM ends one so that the next goes on', async () => {
  const folder = join(root, 'slow')
  let release = () => {}
  const held = new Promise<void>((resolve) => {
    release = resolve
  })
  let reached = () => {}
  const isReached = new Promise<void>((resolve) => {
    reached = resolve
  })
  origin.interfere = async (ask) => {
    if (!ask.path.startsWith('/blobs/')) return undefined
    reached()
    await held
    return undefined
  }
  const first = startProcess(process.execPath, argumentsFor(folder), { logFile: join(root, 'log-slow') })
  await isReached
  const second = await runProgram(process.execPath, argumentsFor(folder))
  expect([second.code, second.stderr]).toEqual([75, expect.stringContaining(`process ${first.pid} is at work`)])
  first.signal('SIGTERM')
  expect(await first.exited).toBe(1)
  await waitUntil(() => first.output().includes('the next run goes on from here'), {
    what: 'its last words',
    limitMs: 5000,
  })
  release()
  origin.interfere = () => undefined
  expect((await runProgram(process.execPath, argumentsFor(folder))).code).toBe(0)
}, 60_000)

test.each([
  [['--from', 'ftp://x', '--to', '/tmp/x']],
  [['--from', 'http://x']],
  [['--from', 'http://x', '--to', '/tmp/x', '--connections', '99']],
  [['--from', 'http://x', '--to', '/tmp/x', '--grace', 'soon']],
  [['--from', 'http://x', '--to', '/tmp/x', '--what']],
])('wrong usage is 2: %j', async (args) => {
  const { code, stderr } = await runProgram(process.execPath, [program, 'replicate', ...args])
  expect([code, stderr]).toEqual([2, expect.stringContaining('error:')])
})
