// What a small copy serves that keeps what is pulled most, beside the best that any copy of its size could do; and what choosing costs
// over a list of a million blobs. `npm run bench popularity`, or this file by itself.

import { makeDigest } from '#oci/digest.ts'
import type { ListedBlob } from '#snapshots/blob-list.ts'
import { chooseByPopularity, copyLimitDefaults } from '#snapshots/choose-by-popularity.ts'
import { maxPopularLines } from '#snapshots/popularity-list.ts'
import { makeCounters } from '#stages/redirect/counters.ts'
import { PullCounts, pullCountDefaults } from '#stages/redirect/pull-counts.ts'
import { measureCopy, type ServedShares, type TraceLaw } from '../kit/pull-trace.ts'

const law = { blobs: 20_000, pullsPerDay: 20_000, pastDays: 30, futureDays: 7 }
const seeds = [1, 2, 3]
const percent = (value: number) => `${(100 * value).toFixed(1)} %`.padStart(8)

async function measure(exponent: number, turnover: number, share: number): Promise<void> {
  const all: ServedShares[] = []
  for (const seed of seeds) all.push(await measureCopy({ ...law, exponent, turnover, seed } satisfies TraceLaw, share))
  const mean = (of: keyof ServedShares) => all.reduce((sum, one) => sum + one[of], 0) / all.length
  const least = Math.min(...all.map((one) => one.ofBytes))
  const shown = [mean('ofBytes'), least, mean('ofPulls'), mean('atBest'), mean('counted'), mean('broughtPerDay')]
    .map(percent)
    .join('  ')
  console.log(`${exponent.toFixed(1).padStart(4)}  ${percent(turnover)}  ${percent(share)}  ${shown}`)
}

console.log('20,000 blobs, 20,000 pulls a day, 7 days after 30; means of three traces, and the least of them')
console.log('   s  turnover      copy  of bytes     least  of pulls   at best   counted  new a day')
for (const exponent of [0.8, 0.9, 1, 1.1, 1.2, 1.3]) await measure(exponent, 0, 0.05)
for (const turnover of [0.01, 0.05]) await measure(1.1, turnover, 0.05)
for (const share of [0.01, 0.02, 0.1]) await measure(1.1, 0, share)

function* millionBlobs(): Generator<ListedBlob> {
  for (let n = 0; n < 1_000_000; n++) {
    const digest = makeDigest('sha256', Bun.SHA256.hash(String(n), 'hex'))
    yield { digest, sizeBytes: 65_536 + ((n * 7919) % 8_000_000), generation: 1 + (n % 1000) }
  }
}

const scores = new Map<string, number>()
for (const { digest } of millionBlobs()) {
  scores.set(digest, 1000 + ((scores.size * 7919) % 1_000_000))
  if (scores.size === maxPopularLines) break
}
for (const capBytes of [10e9, 200e9]) {
  Bun.gc(true)
  const before = process.memoryUsage().rss
  const startedAt = performance.now()
  const { digests } = await chooseByPopularity(
    millionBlobs(),
    { scores, isHeld: () => false },
    { ...copyLimitDefaults, capBytes },
  )
  const seconds = (performance.now() - startedAt) / 1000
  const grown = (process.memoryUsage().rss - before) / 2 ** 20
  console.log(
    `choosing ${digests.size} of 1,000,000 blobs for ${capBytes / 1e9} GB: ${seconds.toFixed(1)} s with the making of the list, ${grown.toFixed(0)} MiB more memory`,
  )
}

const pulls = new PullCounts(pullCountDefaults, makeCounters(), Math.random)
const digests = [...scores.keys()].slice(0, 4096)
for (const round of [1, 2, 3]) {
  const calls = 2_000_000
  const startedAt = performance.now()
  for (let i = 0; i < calls; i++) pulls.note(Math.imul(i, 2654435761) >>> 8, digests[i & 4095]!, round * 86_400_000)
  pulls.take()
  console.log(`counting a pull: ${(((performance.now() - startedAt) * 1e6) / calls).toFixed(0)} ns`)
}
