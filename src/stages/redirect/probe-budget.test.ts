import { expect, test } from 'bun:test'
import { spendProbe } from './probe-budget.ts'

const limits = { perHostAndDay: 24, burstPerHost: 2 }
const hourMs = 3_600_000

test('a burst, and then so many a day', () => {
  const budget = { probesLeft: 2, countedMs: 0 }
  expect([0, 0, 0, hourMs, hourMs].map((ms) => spendProbe(budget, limits, ms))).toEqual([
    true,
    true,
    false,
    true,
    false,
  ])
})

test('a clock that is set back takes nothing away', () => {
  const budget = { probesLeft: 2, countedMs: 0 }
  expect(spendProbe(budget, limits, 1000 * hourMs)).toBe(true)
  expect(spendProbe(budget, limits, 0)).toBe(true)
  expect(spendProbe(budget, limits, 0)).toBe(false)
  expect(spendProbe(budget, limits, hourMs)).toBe(true)
})
