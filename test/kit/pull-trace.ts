// Pulls as a registry sees them, made by law: blobs of log-normal sizes, asked for by Zipf's law from networks of very unequal size.
// And what a small copy would have served of them, when the list it chooses by was made from the pulls before: counted by the front
// door's own counting, added up in the catalogue, written to a tree and read back.

import { createReadStream } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { addPulls, dayOf } from '#catalogue/pulls.ts'
import { openSqlite } from '#catalogue/sqlite/open-sqlite.ts'
import { addTreeBlobs } from '#catalogue/tree-blobs.ts'
import { makeDigest } from '#oci/digest.ts'
import type { ListedBlob } from '#snapshots/blob-list.ts'
import { chooseByPopularity, copyLimitDefaults } from '#snapshots/choose-by-popularity.ts'
import { readPopularityList } from '#snapshots/popularity-list.ts'
import { writePopularity } from '#stages/publish/write-popularity.ts'
import { makeCounters } from '#stages/redirect/counters.ts'
import { PullCounts, pullCountDefaults } from '#stages/redirect/pull-counts.ts'
import { seeded } from './seeded.ts'

export type TraceLaw = {
  readonly blobs: number
  /** Zipf's exponent: the blob of rank r is pulled in proportion to 1 / r^exponent. */
  readonly exponent: number
  /** Of the ranks, so many go to another blob each day; 0: the law stays as it is. */
  readonly turnover: number
  readonly pullsPerDay: number
  /** Days that are only counted, then days on each of which the copy is chosen anew before they are counted too. */
  readonly pastDays: number
  readonly futureDays: number
  readonly seed: number
}

/** Median and spread of a layer's size, of the order that is seen in public registries. */
const medianBytes = 4 * 1024 * 1024
const sigma = 1.5
const smallestBytes = 64 * 1024
const generations = 200
const networks = 20_000
const dayMs = 86_400_000
const startMs = 20_000 * dayMs

/** Which blob is pulled next. */
class Demand {
  readonly #upTo: Float64Array
  readonly #blobs: ListedBlob[]
  readonly #random: () => number
  readonly #law: TraceLaw

  constructor(law: TraceLaw, blobs: readonly ListedBlob[], random: () => number) {
    this.#law = law
    this.#blobs = [...blobs]
    this.#random = random
    this.#upTo = sumsOfZipf(law.blobs, law.exponent)
  }

  next(): ListedBlob {
    return this.#blobs[drawFrom(this.#upTo, this.#random)]!
  }

  turnDay(): void {
    const { blobs, turnover } = this.#law
    for (let i = Math.round((blobs * turnover) / 2); i > 0; i--) {
      const [a, b] = [Math.floor(this.#random() * blobs), Math.floor(this.#random() * blobs)]
      ;[this.#blobs[a], this.#blobs[b]] = [this.#blobs[b]!, this.#blobs[a]!]
    }
  }

  /** How the law stands today, by digest. */
  weights(): Map<string, number> {
    return new Map(this.#blobs.map(({ digest }, rank) => [digest, (rank + 1) ** -this.#law.exponent]))
  }
}

function sumsOfZipf(count: number, exponent: number): Float64Array {
  let sum = 0
  return Float64Array.from({ length: count }, (_, rank) => (sum += (rank + 1) ** -exponent))
}

/** The first place whose sum is above a random part of the whole. */
function drawFrom(upTo: Float64Array, random: () => number): number {
  const place = random() * upTo.at(-1)!
  let [low, high] = [0, upTo.length - 1]
  while (low < high) {
    const middle = (low + high) >>> 1
    if (upTo[middle]! > place) high = middle
    else low = middle + 1
  }
  return low
}

function makeBlobs(count: number, random: () => number): ListedBlob[] {
  return Array.from({ length: count }, (_, rank) => {
    const normal = Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random())
    return {
      digest: makeDigest('sha256', Bun.SHA256.hash(`blob ${rank}`, 'hex')),
      sizeBytes: Math.max(smallestBytes, Math.round(medianBytes * Math.exp(sigma * normal))),
      generation: 1 + Math.floor(random() * generations),
    }
  })
}

export type ServedShares = {
  /** Of the bytes that were pulled on the later days, and of the pulls. */
  readonly ofBytes: number
  readonly ofPulls: number
  /** Of the bytes, by a copy of the same size that knows the law itself. */
  readonly atBest: number
  /** Of all pulls, those that counted. */
  readonly counted: number
  /** Bytes that a day brought anew into the copy, of its cap, after the first. */
  readonly broughtPerDay: number
}

/** What a copy of `share` of all bytes serves on the later days, each time chosen by what was pulled before. */
export async function measureCopy(law: TraceLaw, share: number): Promise<ServedShares> {
  const random = seeded(law.seed)
  const blobs = makeBlobs(law.blobs, random)
  const demand = new Demand(law, blobs, random)
  const capBytes = Math.floor(share * blobs.reduce((sum, one) => sum + one.sizeBytes, 0))
  const served = { bytes: 0, pulls: 0, best: 0, all: 0, brought: 0 }
  let held: ReadonlySet<string> = new Set()
  await using counting = await openCounting(blobs, random)
  for (let day = 0; day < law.pastDays + law.futureDays; day++) {
    let best: ReadonlySet<string> = held
    if (day >= law.pastDays) {
      const [before, isHeld] = [held, (digest: string) => held.has(digest)]
      const scores = await counting.scores(day)
      held = (await chooseByPopularity(blobs, { scores, isHeld }, { ...copyLimitDefaults, capBytes })).digests
      best = await chooseAtBest(blobs, demand, capBytes)
      if (before.size > 0)
        for (const one of blobs) if (held.has(one.digest) && !before.has(one.digest)) served.brought += one.sizeBytes
    }
    for (let i = 0; i < law.pullsPerDay; i++) {
      const { digest, sizeBytes } = demand.next()
      counting.note(digest, day * dayMs + Math.floor((i * dayMs) / law.pullsPerDay))
      if (day < law.pastDays) continue
      served.all += sizeBytes
      if (best.has(digest)) served.best += sizeBytes
      if (!held.has(digest)) continue
      served.bytes += sizeBytes
      served.pulls++
    }
    await counting.endDay(day)
    demand.turnDay()
  }
  return {
    ofBytes: served.bytes / served.all,
    ofPulls: served.pulls / (law.futureDays * law.pullsPerDay),
    atBest: served.best / served.all,
    counted: counting.counters.pullsCounted / ((law.pastDays + law.futureDays) * law.pullsPerDay),
    broughtPerDay: served.brought / capBytes / Math.max(1, law.futureDays - 1),
  }
}

async function chooseAtBest(blobs: readonly ListedBlob[], demand: Demand, capBytes: number) {
  const known = { scores: demand.weights(), isHeld: () => false }
  return (await chooseByPopularity(blobs, known, { newShare: 0, heldBonus: 0, capBytes })).digests
}

/** The whole way from the front door's counting to the list that a copy reads. */
async function openCounting(blobs: readonly ListedBlob[], random: () => number) {
  const root = await mkdtemp(join(tmpdir(), 'pull-trace-'))
  const catalogue = await openSqlite(':memory:')
  const inOrder = blobs.toSorted((a, b) => (a.digest < b.digest ? -1 : 1))
  await catalogue.transaction().execute((tx) => addTreeBlobs(tx, 'stable', inOrder))
  const counters = makeCounters()
  const pulls = new PullCounts(pullCountDefaults, counters, random)
  const byNetwork = sumsOfZipf(networks, 1)
  return {
    counters,
    note: (digest: string, atMs: number) => pulls.note(drawFrom(byNetwork, random), digest, startMs + atMs),
    endDay: (day: number) =>
      addPulls(catalogue, { channel: 'stable', day: dayOf(startMs + day * dayMs) }, pulls.take()),
    async scores(day: number): Promise<Map<string, number>> {
      const about = { channel: 'stable', number: day + 1 }
      const now = () => startMs + day * dayMs
      const { file } = (await writePopularity(root, 'stable', about.number, { catalogue, now }))!
      const scores = new Map<string, number>()
      for await (const { digest, score } of readPopularityList(createReadStream(join(root, file.path)), about))
        scores.set(digest, score)
      return scores
    },
    async [Symbol.asyncDispose]() {
      await catalogue.destroy()
      await rm(root, { recursive: true })
    },
  }
}
