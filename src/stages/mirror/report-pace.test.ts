import { expect, test } from 'bun:test'
import { ReportPace } from './report-pace.ts'

const options = { burst: 4, perSecond: 1, maxSenders: 3 }

test('a second apart each report is taken, for ever; four more in a row, then none', () => {
  const pace = new ReportPace(options)
  for (let s = 0; s < 100; s++) expect(pace.take('a', s * 1000)).toBe(true)
  const taken = Array.from({ length: 50 }, (_, i) => pace.take('a', 100_000 + i)).filter(Boolean)
  expect(taken.length).toBe(4)
  expect(pace.take('b', 100_050)).toBe(true)
  expect(pace.take('a', 101_100)).toBe(true)
})

test('a clock that is set back neither gives nor takes', () => {
  const pace = new ReportPace(options)
  for (let i = 0; i < 4; i++) pace.take('a', 50_000)
  expect(pace.take('a', 10_000)).toBe(false)
  expect(pace.take('a', 51_000)).toBe(true)
})

test('of many senders only so many are known; a new one waits until another has been silent', () => {
  const pace = new ReportPace(options)
  for (const sender of ['a', 'b', 'c']) expect(pace.take(sender, 0)).toBe(true)
  expect(pace.take('d', 0)).toBe(false)
  expect(pace.take('b', 1_000)).toBe(true)
  expect(pace.take('d', 4_000)).toBe(true)
  expect(pace.take('e', 4_000)).toBe(true)
  expect(pace.take('f', 4_000)).toBe(false)
})
