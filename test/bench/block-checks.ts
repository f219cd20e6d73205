// What block checks of a million blobs cost: to write them, to add those of one blob, to look one up on disk, and how much memory that
// takes. `npm run bench -- block-checks`, or this file by itself; the first argument is how many blobs.

import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { checksBytes } from '#blobs/block-checks.ts'
import { type Digest, makeDigest } from '#oci/digest.ts'
import { BlockChecks } from '#snapshots/block-checks.ts'
import type { CheckFiles } from '#snapshots/check-files.ts'
import { encodeRecord } from '#snapshots/check-record.ts'
import { blockKey, openCheckFolder } from '../kit/check-files.ts'

const blobs = Number(process.argv[2] ?? 1_000_000)
const batchBlobs = 2_000
const added = 200
const lookups = 5_000
/** One in so many digests is remembered to be looked up. */
const remembered = 97

const mib = (bytes: number) => `${(bytes / 2 ** 20).toFixed(1)} MiB`
const at = (sorted: readonly number[], share: number) => sorted[Math.floor((sorted.length - 1) * share)]!
const newDigest = () => makeDigest('sha256', randomBytes(32).toString('hex'))
const newRecord = (digest: Digest) => encodeRecord(digest, randomBytes(checksBytes), blockKey)

let peakBytes = 0

async function timed(times: number, work: (i: number) => Promise<unknown>): Promise<string> {
  const took: number[] = []
  for (let i = 0; i < times; i++) {
    const startedAt = performance.now()
    await work(i)
    took.push(performance.now() - startedAt)
    peakBytes = Math.max(peakBytes, process.memoryUsage().rss)
  }
  took.sort((a, b) => a - b)
  return `${at(took, 0.5).toFixed(3)} ms (median), ${at(took, 0.99).toFixed(3)} ms (p99), ${at(took, 1).toFixed(1)} ms (most)`
}

async function fill(folder: string, known: Digest[]): Promise<CheckFiles> {
  const files = openCheckFolder(folder)
  let state = await files.load()
  for (let i = 0; i < blobs; i += batchBlobs) {
    const digests = Array.from({ length: Math.min(batchBlobs, blobs - i) }, newDigest)
    known.push(...digests.filter((_, n) => n % remembered === 0))
    state = await files.add({ ...state, generation: i + 1, digest: 'x' }, digests.map(newRecord))
  }
  return state
}

const folder = await mkdtemp(join(tmpdir(), 'flotilla-checks-'))
try {
  const known: Digest[] = []
  const startedAt = performance.now()
  let state = await fill(folder, known)
  const sizeBytes = state.files.reduce((sum, file) => sum + file.sizeBytes, 0)
  console.log(
    `${blobs} blobs in batches of ${batchBlobs}: ${(performance.now() - startedAt).toFixed(0)} ms, ${mib(sizeBytes)} in ${state.files.length} files`,
  )
  const files = openCheckFolder(folder)
  const adding = await timed(added, async (i) => {
    state = await files.add({ ...state, generation: state.generation + i }, [newRecord(newDigest())])
  })
  console.log(`adding one blob: ${adding}; then ${state.files.length} files`)

  Bun.gc(true)
  const before = process.memoryUsage().rss
  peakBytes = before
  const openedAt = performance.now()
  await using checks = await BlockChecks.open(folder, state, blockKey)
  console.log(`opening and verifying: ${(performance.now() - openedAt).toFixed(0)} ms`)
  const found = await timed(lookups, async (i) => {
    if (!(await checks.find(known[(i * 7919) % known.length]!))) throw new Error('a blob was not found')
  })
  console.log(`looking up a blob that has checks: ${found}`)
  console.log(`looking up one that has none: ${await timed(lookups, () => checks.find(newDigest()))}`)
  console.log(`memory beyond what there was, at its highest: ${mib(peakBytes - before)}`)
} finally {
  await rm(folder, { recursive: true, force: true })
}
