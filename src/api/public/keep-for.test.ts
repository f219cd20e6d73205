import { expect, test } from 'bun:test'
import { keepFor } from './keep-for.ts'

test('one read for all who ask within the time, the next one after it', async () => {
  let nowMs = 0
  let reads = 0
  const read = keepFor(
    1000,
    () => nowMs,
    async () => ++reads,
  )
  expect(await Promise.all([read(), read()])).toEqual([1, 1])
  nowMs = 999
  expect(await read()).toBe(1)
  nowMs = 1000
  expect(await read()).toBe(2)
})

test('a read that fails is told to those who wait for it, and tried again by the next', async () => {
  let reads = 0
  const read = keepFor(
    1000,
    () => 0,
    async () => {
      if (++reads === 1) throw new Error('busy')
      return reads
    },
  )
  const both = await Promise.allSettled([read(), read()])
  expect(both.map(({ status }) => status)).toEqual(['rejected', 'rejected'])
  expect(await read()).toBe(2)
})
