import { describe, expect, test } from 'bun:test'
import { TokenBuckets } from './token-buckets.ts'

const buckets = (most = 3, refillMs = 1000, maxEntries = 10) => new TokenBuckets({ most, refillMs, maxEntries })

describe('a bucket', () => {
  test('gives what it has, and then one in each refill', () => {
    const b = buckets()
    expect([1, 2, 3, 4].map(() => b.take('a', 1, 0))).toEqual([true, true, true, false])
    expect(b.waitMs('a', 1, 400)).toBe(600)
    expect(b.take('a', 1, 999)).toBe(false)
    expect(b.take('a', 1, 1000)).toBe(true)
    expect(b.take('a', 1, 1000)).toBe(false)
    expect(b.take('other', 3, 1000)).toBe(true)
  })

  test('never holds more than most, however long it rests or whatever comes back', () => {
    const b = buckets()
    b.take('a', 1, 0)
    expect(b.take('a', 4, 1e9)).toBe(false)
    b.giveBack('a', 5)
    expect(b.take('a', 3, 1e9)).toBe(true)
    expect(b.take('a', 1, 1e9)).toBe(false)
  })

  test('counts parts, and takes back what was not used', () => {
    const b = buckets(1)
    for (let i = 0; i < 10; i++) expect(b.take('a', 0.1, 0)).toBe(true)
    expect(b.take('a', 0.1, 0)).toBe(false)
    b.giveBack('a', 0.4)
    expect(b.take('a', 0.5, 0)).toBe(false)
    expect(b.take('a', 0.4, 0)).toBe(true)
  })

  test('lends beyond what it has, and then nothing before that is paid', () => {
    const b = buckets(3, 1000)
    expect(b.borrow('a', 10, 0)).toBe(true)
    expect(b.borrow('a', 1, 7000)).toBe(false)
    expect(b.waitMs('a', 1, 7000)).toBe(1000)
    expect(b.borrow('a', 1, 7001)).toBe(true)
    b.giveBack('a', 1)
    b.charge('a', 2, 7001)
    expect(b.borrow('a', 1, 8000)).toBe(false)
    expect(b.borrow('a', 1, 9001)).toBe(true)
  })

  test('a clock that goes backwards takes nothing away', () => {
    const b = buckets()
    b.take('a', 2, 5000)
    expect(b.take('a', 1, 0)).toBe(true)
    expect(b.take('a', 1, 0)).toBe(false)
  })
})

test('beyond the bound the one that was used longest ago is forgotten', () => {
  const b = buckets(1, 1e6, 2)
  for (const key of ['a', 'b', 'c']) b.take(key, 1, 0)
  expect(b.take('b', 1, 0)).toBe(false)
  expect(b.take('a', 1, 0)).toBe(true)
})
