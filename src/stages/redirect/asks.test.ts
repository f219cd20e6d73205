import { describe, expect, test } from 'bun:test'
import { Asks, shapeOf } from './asks.ts'

const MiB = 1024 * 1024

test.each([
  [undefined, 'plain'],
  ['bytes=0-', 'plain'],
  ['nonsense', 'plain'],
  ['bytes=5-1', 'part'],
  ['bytes=0-99', 'part'],
  ['bytes=5-5', 'part'],
  ['bytes=-100', 'part'],
  ['bytes=0-1,5-6', 'part'],
  ['bytes=5-,9-', 'part'],
  [`bytes=${MiB}-`, 'part'],
  [`bytes=${32 * MiB}-`, 'part'],
  [`bytes=${MiB + 1}-`, 'resume'],
  ['bytes=1-', 'resume'],
] as const)('%s is %s', (range, shape) => {
  expect(shapeOf(range)).toBe(shape)
})

describe('the memory', () => {
  const asks = () => new Asks({ windowMs: 1000, maxEntries: 100 })

  test('is one per prefix and blob, for one window from its start', () => {
    const memory = asks()
    const first = memory.recall(1, 'a', 5000)
    expect(memory.recall(1, 'a', 5999)).toBe(first)
    expect(memory.recall(2, 'a', 5999)).not.toBe(first)
    expect(memory.recall(1, 'b', 5999)).not.toBe(first)
    expect(memory.recall(1, 'a', 6000)).not.toBe(first)
  })

  test('lasts its window across the turn of the maps', () => {
    const memory = asks()
    memory.recall(9, 'z', 5000)
    const late = memory.recall(1, 'a', 5900)
    // The turn.
    memory.recall(2, 'b', 6001)
    expect(memory.recall(1, 'a', 6100)).toBe(late)
    memory.recall(3, 'c', 7100)
    expect(memory.recall(1, 'a', 6899)).toBe(late)
  })

  test('is bounded, and the newest stay', () => {
    const memory = asks()
    for (let prefix = 0; prefix < 10_000; prefix++) memory.recall(prefix, `d${prefix % 7}`, 5000)
    expect(memory.size).toBeLessThanOrEqual(100)
    expect(memory.peek(9_999, `d${9_999 % 7}`, 5000)).toBeDefined()
    expect(memory.peek(0, 'd0', 5000)).toBeUndefined()
  })

  test('peek makes none', () => {
    const memory = asks()
    expect(memory.peek(1, 'a', 5000)).toBeUndefined()
    expect(memory.size).toBe(0)
  })
})
