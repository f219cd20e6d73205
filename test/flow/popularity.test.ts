// What is pulled decides what a small copy keeps: from the front door's counting through the catalogue and the list of the tree.
// Registries are known to be asked for few of their layers by far the most (Anwar and others, Improving Docker Registry Design Based on
// Production Workload Analysis, FAST 2018); by which exponent ours will be is not known, so the range is shown and its end.

import { expect, test } from 'bun:test'
import { measureCopy, type ServedShares, type TraceLaw } from '../kit/pull-trace.ts'

const law = { blobs: 20_000, turnover: 0, pullsPerDay: 15_000, pastDays: 14, futureDays: 4 }
const share = 0.05
const percent = (value: number) => `${(100 * value).toFixed(1)} %`

async function measure(more: Pick<TraceLaw, 'exponent' | 'seed'> & Partial<TraceLaw>): Promise<ServedShares> {
  const measured = await measureCopy({ ...law, ...more }, share)
  const { ofBytes, ofPulls, atBest, broughtPerDay } = measured
  console.log(
    `Zipf ${more.exponent}, seed ${more.seed}, turnover ${percent(more.turnover ?? 0)}: 5 % of the bytes serve ${percent(ofBytes)} of the bytes, ${percent(ofPulls)} of the pulls; at best ${percent(atBest)}; ${percent(broughtPerDay)} of the copy new a day`,
  )
  return measured
}

test.each([
  [1.1, 1],
  [1.1, 2],
  [1.2, 3],
  [1.3, 4],
])('by Zipf %p a copy of 5 %% serves 80 %% of the bytes and more (seed %p)', async (exponent, seed) => {
  const { ofBytes, atBest, broughtPerDay } = await measure({ exponent, seed })
  expect(ofBytes).toBeGreaterThanOrEqual(0.8)
  expect(atBest - ofBytes).toBeLessThan(0.02)
  // What it holds stays: a copy is not to be fetched again and again.
  expect(broughtPerDay).toBeLessThan(0.05)
})

test.each([0.8, 1])('by Zipf %p no copy of that size can; ours comes close to the best one', async (exponent) => {
  const { ofBytes, atBest } = await measure({ exponent, seed: 5 })
  expect(atBest).toBeLessThan(0.8)
  expect(atBest - ofBytes).toBeLessThan(0.03)
})

test('it follows what becomes popular: with one rank in a hundred going to another blob every day', async () => {
  const { ofBytes, atBest } = await measure({ exponent: 1.2, seed: 6, turnover: 0.01 })
  expect(ofBytes).toBeGreaterThanOrEqual(0.8)
  expect(atBest - ofBytes).toBeLessThan(0.05)
})
