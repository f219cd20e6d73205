// What a tree of a million blobs costs: to publish one change, to write all of its list anew, to take a change up as a client, and to ask
// whether there is one. `npm run bench -- lists`, or this file by itself; the first argument is how many blobs.

import { createReadStream } from 'node:fs'
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sql } from 'kysely'
import { changeSummary, findLatestGeneration } from '#catalogue/generations.ts'
import { type ListedBlob, readBlobList } from '#snapshots/blob-list.ts'
import { filesOf, timestampPath } from '#snapshots/tree-contents.ts'
import { keepTree } from '#stages/publish/keep-tree.ts'
import type { Summary } from '#stages/publish/render-generation.ts'
import { thinDefaults } from '#stages/publish/thin-tree.ts'
import { writeLists } from '#stages/publish/write-lists.ts'
import { applyDelta } from '#stages/replicate/align-by-digest.ts'
import { readContents } from '../kit/read-contents.ts'
import { largeLayer, openReleaseLine, type ReleaseLine } from '../kit/release-line.ts'
import { startTreeOrigin } from '../kit/tree-origin.ts'
import { ask } from '../kit/wire.ts'

const blobs = Number(process.argv[2] ?? 1_000_000)
const changes = 100
const channel = 'stable'
const mib = (bytes: number) => `${(bytes / 2 ** 20).toFixed(1)} MiB`

/** Milliseconds, and how much memory it took more than there was, at its highest. */
async function measure<T>(work: () => Promise<T>): Promise<{ ms: number; grownBytes: number; result: T }> {
  Bun.gc(true)
  const before = process.memoryUsage().rss
  let peak = before
  const timer = setInterval(() => (peak = Math.max(peak, process.memoryUsage().rss)), 5)
  const startedAt = performance.now()
  try {
    const result = await work()
    const ms = performance.now() - startedAt
    return { ms, grownBytes: Math.max(peak, process.memoryUsage().rss) - before, result }
  } finally {
    clearInterval(timer)
  }
}

function say(what: string, { ms, grownBytes }: { ms: number; grownBytes: number }, more = ''): void {
  console.log(
    `${what.padEnd(44)} ${ms.toFixed(0).padStart(7)} ms  ${mib(grownBytes).padStart(10)} more memory  ${more}`,
  )
}

async function fill(line: ReleaseLine): Promise<void> {
  await sql`with recursive n(i) as (select 1 union all select i + 1 from n where i < ${blobs})
    insert into tree_blobs (channel, digest, size_bytes, generation)
    select ${channel}, 'sha256:' || lower(hex(randomblob(32))), 65536 + i * 7919 % 8000000, 1 from n`.execute(
    line.catalogue,
  )
  const root = line.treeOf(channel)
  const written = await measure(() => writeLists(root, { channel, number: 1 }, undefined, [], line.stores))
  say('writing the whole list', written, mib(written.result[0]!.sizeBytes))
  const first = (await findLatestGeneration(line.catalogue, channel, 'published'))!
  const summary = { ...(first.summary as Summary), lists: written.result }
  await line.catalogue.transaction().execute((tx) => changeSummary(tx, channel, 1, summary))
  await keepTree(channel, line.stores, thinDefaults)
}

async function publishChanges(line: ReleaseLine): Promise<void> {
  const times: number[] = []
  let grownBytes = 0
  for (let i = 0; i < changes; i++) {
    await line.push('bench', { tags: ['latest'], note: `${i}`, layers: [largeLayer(`change ${i} `, 70_000)] })
    await line.promote(['bench:latest'])
    const one = await measure(() => line.publish())
    times.push(one.ms)
    grownBytes = Math.max(grownBytes, one.grownBytes)
  }
  times.sort((a, b) => a - b)
  say(`publishing one change, median of ${changes}`, { ms: times[changes >> 1]!, grownBytes })
  say('publishing one change, the slowest', { ms: times.at(-1)!, grownBytes })
}

async function count(lines: AsyncIterable<unknown>): Promise<number> {
  let total = 0
  for await (const _ of lines) total++
  return total
}

async function readAsClient(root: string): Promise<void> {
  const { lists } = await readContents(root)
  const linesOf = ({ path, from, to }: (typeof lists)[number]) =>
    readBlobList(createReadStream(join(root, path)), { channel, from, to }, { maxBytes: 2 ** 32 })
  const [whole, ...runs] = lists
  const change = await measure(() => count(linesOf(runs.at(-1)!)))
  say('reading the newest change as a client', change, `${change.result} blob`)
  const one = await measure(() => count(applyDelta(linesOf(whole!), linesOf(runs[0]!))))
  say('putting a change into the whole list', one, `${one.result} blobs`)
  const all = runs.reduce<AsyncIterable<ListedBlob>>((blobs, run) => applyDelta(blobs, linesOf(run)), linesOf(whole!))
  say(`putting all ${runs.length} runs into the whole list`, await measure(() => count(all)))
}

async function askOrigin(root: string): Promise<void> {
  const origin = startTreeOrigin(root)
  const sizeOfAnswer = async (path: string, headers: readonly string[] = []) => {
    const request = [`GET ${path} HTTP/1.1`, 'Host: origin', ...headers, '', ''].join('\n')
    const { status, head, body } = await ask({ port: origin.listener.port }, request)
    return { status, bytes: head.length + 4 + body.length }
  }
  try {
    const etag = (await fetch(`${origin.url}/metadata/timestamp.json`)).headers.get('etag')
    const unchanged = await sizeOfAnswer('/metadata/timestamp.json', [`If-None-Match: ${etag}`])
    const noRoot = await sizeOfAnswer('/metadata/2.root.json')
    const together = unchanged.bytes + noRoot.bytes
    console.log(
      `a poll without change: ${JSON.stringify([unchanged, noRoot])}, ${together} bytes with all headers (goal: below 1000)`,
    )
    const contents = await readContents(root)
    const { signed } = JSON.parse(await readFile(join(root, timestampPath), 'utf8'))
    const version = signed.meta['snapshot.json'].version
    const names = ['timestamp.json', `${version}.snapshot.json`, `${version}.targets.json`]
    const sizes = await Promise.all(names.map(async (name) => (await stat(join(root, 'metadata', name))).size))
    const newest = [contents.lists, contents.packs].map((files) => files.at(-1)!.sizeBytes)
    const files = `timestamp, snapshot, targets ${sizes.join(', ')}; list and pack ${newest.join(', ')} bytes`
    console.log(`an update of one blob: ${files}; ${filesOf(contents).length} files are named`)
  } finally {
    await origin.listener.stop(0)
  }
}

const folder = await mkdtemp(join(tmpdir(), 'bench-lists-'))
try {
  await using line = await openReleaseLine(folder, { smallBlobBytes: 65_536 })
  await line.publish()
  console.log(`${blobs} blobs in the tree`)
  await fill(line)
  await publishChanges(line)
  await readAsClient(line.treeOf(channel))
  await askOrigin(line.treeOf(channel))
} finally {
  await rm(folder, { recursive: true, force: true })
}
