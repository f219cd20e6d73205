import { describe, expect, test } from 'bun:test'
import { type SeedAsk, Seeds } from './seeds.ts'

const silenceMs = 60_000
const open = (seeds = 3, seedsPerNetwork = seeds) => new Seeds({ seeds, seedsPerNetwork, silenceMs })
const one = (key: string, { network = 1, isHost = false } = {}): SeedAsk => ({
  key,
  isHost,
  client: { prefixKey: network } as SeedAsk['client'],
})
const admitAll = (seeds: Seeds, keys: string, nowMs = 0, generation = 1) =>
  [...keys].map((key) => seeds.admit(one(key), generation, nowMs))

describe('seeds', () => {
  test('are the first who ask, and stay it', () => {
    const seeds = open()
    expect(admitAll(seeds, 'abcdabc')).toEqual([true, true, true, false, true, true, true])
    expect(seeds.count).toBe(3)
  })

  test('of another generation are chosen anew', () => {
    const seeds = open(1)
    expect(admitAll(seeds, 'ab', 0, 1)).toEqual([true, false])
    expect(admitAll(seeds, 'ba', 0, 2)).toEqual([true, false])
  })

  test('lose their place when they take nothing, the one that is silent longest first', () => {
    const seeds = open()
    admitAll(seeds, 'abc')
    seeds.touch('a', 30_000)
    seeds.touch('c', 10_000)
    expect(seeds.admit(one('d'), 1, silenceMs - 1)).toBe(false)
    expect(seeds.admit(one('d'), 1, silenceMs)).toBe(true)
    expect(seeds.admit(one('e'), 1, silenceMs + 9_999)).toBe(false)
    expect(seeds.admit(one('e'), 1, silenceMs + 10_000)).toBe(true)
    // a took bytes meanwhile, b and c are out.
    expect(admitAll(seeds, 'abc', silenceMs + 10_000)).toEqual([true, false, false])
  })

  test('asking alone does not keep a place', () => {
    const seeds = open(1)
    for (let ms = 0; ms < silenceMs; ms += 1000) seeds.admit(one('a'), 1, ms)
    expect(seeds.admit(one('b'), 1, silenceMs)).toBe(true)
  })

  test('one network has no more than its part, and gives its own silent place on', () => {
    const seeds = open(4, 2)
    expect(admitAll(seeds, 'abc')).toEqual([true, true, false])
    expect(seeds.admit(one('d', { network: 2 }), 1, 0)).toBe(true)
    seeds.touch('a', 5)
    seeds.touch('d', 5)
    expect(seeds.admit(one('c'), 1, silenceMs)).toBe(true)
    expect(seeds.admit(one('b'), 1, silenceMs)).toBe(false)
    expect(seeds.count).toBe(3)
  })

  test('a registered host takes the place of one that is none, never of another host', () => {
    const seeds = open(2)
    admitAll(seeds, 'ab')
    expect(seeds.admit(one('h', { isHost: true }), 1, 1)).toBe(true)
    expect(seeds.admit(one('i', { isHost: true }), 1, 2)).toBe(true)
    expect(seeds.admit(one('j', { isHost: true }), 1, 3)).toBe(false)
    expect(admitAll(seeds, 'ab', 4)).toEqual([false, false])
  })
})
