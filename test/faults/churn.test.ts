// Six of twenty hosts are broken at any moment, in ways and places that change every few seconds, and nobody who pulls may notice.
// SIM_PULLS=2000 is the whole; clocks run ten times as fast as in production, but for the changes themselves.

import { expect, test } from 'bun:test'
import { breakAllOnce, pullThrough, tellLosses } from '../kit/churn.ts'
import { seeded } from '../kit/seeded.ts'
import { SimFleet } from '../kit/sim-fleet.ts'

const pulls = Number(process.env.SIM_PULLS ?? 800)
const haste = 10
const everyMs = 25
/** 200 ms in production. */
const freshMs = 200 / haste

test('pulls through a fleet of which a third is always broken', async () => {
  const random = seeded(4)
  await using fleet = await SimFleet.start({ hosts: 20, gold: 6, blobs: 40, blobBytes: 70_000, haste })
  await fleet.watch()
  await breakAllOnce(fleet, random)
  const outcomes = await pullThrough(fleet, { pulls, everyMs, haste, random })
  const { failed, between, originShare } = tellLosses(fleet, outcomes, freshMs)
  expect(fleet.failures).toEqual([])
  expect(failed).toBe(between)
  expect(between).toBeLessThanOrEqual(outcomes.length / 200)
  expect(originShare).toBeLessThanOrEqual(0.1)
}, 240_000)
