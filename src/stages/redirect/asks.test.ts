import { describe, expect, test } from 'bun:test'
import type { Candidate } from '#snapshots/index-placement.ts'
import { digestOf, placed } from '../../../test/kit/front-door.ts'
import { Asks, hasTried, isTried, noteGiven, shapeOf, startRound } from './asks.ts'

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

const candidate: Candidate = { host: placed(7, 'http://192.0.2.7'), url: 'http://192.0.2.7' }
const digest = (i: number) => digestOf(String(i))

describe('the memory', () => {
  const asks = (maxEntries = 128) => new Asks({ windowMs: 1000, maxEntries })

  test('is one per prefix and blob, for one window from its start', () => {
    const memory = asks()
    const first = memory.recall(1, digest(1), 5000)
    expect(memory.recall(1, digest(1), 5999)).toBe(first)
    expect(memory.recall(2, digest(1), 5999)).not.toBe(first)
    expect(memory.recall(1, digest(2), 5999)).not.toBe(first)
    expect(memory.recall(1, digest(1), 6000)).not.toBe(first)
  })

  test('lasts its window across the turn of the maps', () => {
    const memory = asks()
    memory.recall(9, digest(9), 5000)
    const late = memory.recall(1, digest(1), 5900)
    // The turn.
    memory.recall(2, digest(2), 6001)
    expect(memory.recall(1, digest(1), 6100)).toBe(late)
    memory.recall(3, digest(3), 7100)
    expect(memory.recall(1, digest(1), 6899)).toBe(late)
  })

  test('is bounded, and the newest stay', () => {
    const memory = asks()
    for (let prefix = 0; prefix < 10_000; prefix++) memory.recall(prefix, digest(prefix % 7), 5000)
    expect(memory.size).toBeLessThanOrEqual(128)
    expect(memory.peek(9_999, digest(9_999 % 7), 5000)).toBeDefined()
    expect(memory.peek(0, digest(0), 5000)).toBeUndefined()
  })

  test('peek makes none', () => {
    const memory = asks()
    expect(memory.peek(1, digest(1), 5000)).toBeUndefined()
    expect(memory.size).toBe(0)
  })

  test('of a first ask is a place in a table until the client comes back', () => {
    const memory = asks()
    expect(memory.find(1, digest(1), 5000)).toBeUndefined()
    memory.noteFirst(1, digest(1), candidate, 5000)
    for (const prefix of [2, 1 + 2 ** 32, 2 ** 48 + 1]) expect(memory.find(prefix, digest(1), 5500)).toBeUndefined()
    expect(memory.find(1, digest(2), 5500)).toBeUndefined()
    expect(memory.peek(1, digest(1), 5999)).toMatchObject({ last: candidate, startedMs: 5000 })
    expect(memory.peek(1, digest(1), 6000)).toBeUndefined()
    expect(memory.size).toBe(0)
    const found = memory.find(1, digest(1), 5999)!
    expect(found).toMatchObject({ startedMs: 5000, askedMs: 5000, originAnswers: 0 })
    expect([isTried(found, 7), isTried(found, 8), hasTried(found)]).toEqual([true, false, true])
    expect(memory.find(1, digest(1), 5999)).toBe(found)
    expect(memory.size).toBe(1)
    expect(memory.find(1, digest(1), 6000)).toBeUndefined()
  })

  test('of first asks is bounded; the oldest give way', () => {
    const memory = asks()
    for (let i = 0; i < 10_000; i++) memory.noteFirst(i, digest(i % 7), candidate, 5000 + i / 100)
    const known = Array.from({ length: 10_000 }, (_, i) => memory.peek(i, digest(i % 7), 5100) !== undefined)
    expect(known.filter(Boolean).length).toBeLessThanOrEqual(128)
    // Four places each: the last hundred have almost all found one.
    expect(known.slice(-100).filter(Boolean).length).toBeGreaterThan(70)
  })

  test('no two of many pairs are taken for one', () => {
    const memory = asks(65_536)
    const pairs = Array.from({ length: 8_000 }, (_, i) => [i * 256 + (i % 3) * 2 ** 40, digest(i % 50)] as const)
    for (const [prefix, blob] of pairs) {
      expect(memory.find(prefix, blob, 5000)).toBeUndefined()
      memory.noteFirst(prefix, blob, candidate, 5000)
    }
  })

  test('of a round: hosts given are tried until it starts anew', () => {
    const memory = asks().recall(1, digest(1), 5000)
    const other: Candidate = { host: placed(8, 'http://192.0.2.8'), url: 'http://192.0.2.8' }
    for (const given of [candidate, other, candidate]) noteGiven(memory, given)
    expect([isTried(memory, 7), isTried(memory, 8), isTried(memory, 9)]).toEqual([true, true, false])
    startRound(memory, 5500)
    expect([isTried(memory, 7), isTried(memory, 8), hasTried(memory), memory.roundMs]).toEqual([
      false,
      false,
      false,
      5500,
    ])
  })
})

test('a clock that is set back by hours makes the memory end, not last', () => {
  const asks = new Asks({ windowMs: 300_000, maxEntries: 4 })
  const late = 10 * 3_600_000
  asks.recall(1, digest(1), late).originAnswers++
  asks.noteFirst(2, digest(1), candidate, late)
  expect(asks.find(1, digest(1), 0)).toBeUndefined()
  expect(asks.peek(2, digest(1), 0)).toBeUndefined()
  // Nor do old places keep out new ones.
  for (let prefix = 10; prefix < 14; prefix++) asks.noteFirst(prefix, digest(1), candidate, late)
  for (let prefix = 20; prefix < 24; prefix++) asks.noteFirst(prefix, digest(1), candidate, prefix)
  expect([20, 21, 22, 23].map((prefix) => asks.find(prefix, digest(1), 30)?.last)).toEqual(Array(4).fill(candidate))
})
