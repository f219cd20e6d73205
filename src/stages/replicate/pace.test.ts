import { expect, test } from 'bun:test'
import { Pace } from './pace.ts'

const stop = new AbortController().signal

function paceOf(bytesPerSecond: number) {
  const clock = { nowMs: 1000 }
  const waits: number[] = []
  const pace = new Pace(
    () => bytesPerSecond,
    () => clock.nowMs,
    async (ms) => void waits.push(ms),
  )
  return { clock, waits, pace }
}

test('those who come at the same time wait behind each other', async () => {
  const { pace, waits } = paceOf(1000)
  await Promise.all([pace.take(500, stop), pace.take(500, stop), pace.take(1000, stop)])
  expect(waits).toEqual([500, 1000, 2000])
})

test('time that passed is taken off, but never saved up', async () => {
  const { clock, pace, waits } = paceOf(1000)
  await pace.take(500, stop)
  clock.nowMs += 300
  await pace.take(100, stop)
  clock.nowMs += 60_000
  await pace.take(100, stop)
  expect(waits).toEqual([500, 300, 100])
})

test('0 is no limit', async () => {
  const { pace, waits } = paceOf(0)
  await pace.take(1e12, stop)
  expect(waits).toEqual([])
})
