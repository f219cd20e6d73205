import { describe, expect, test } from 'bun:test'
import { Waves } from './waves.ts'

const options = { seeds: 8, waveMs: 15_000, maxRemembered: 1000 }
const open = (random = () => 0.5, before?: Waves, generation = 7, startMs = 1000) =>
  new Waves({ generation, startMs }, options, random, before)
const place = (waves: Waves, count: number) => Array.from({ length: count }, (_, i) => waves.releaseMs(`r${i}`, 6))

describe('waves', () => {
  test('the first is as large as the seeds and begins at once, each later one is twice as large', () => {
    const waves = open(() => 0)
    const times = place(waves, 8 + 16 + 32 + 64)
    const counts = Map.groupBy(times, (ms) => ms)
    expect([...counts].map(([ms, those]) => [ms, those.length])).toEqual([
      [1000, 8],
      [16_000, 16],
      [31_000, 32],
      [46_000, 64],
    ])
  })

  test('inside a wave the times are spread over its whole length', () => {
    let dice = 0
    const times = place(
      open(() => (dice += 0.0625) % 1),
      24,
    ).slice(8)
    expect(new Set(times).size).toBe(16)
    expect(Math.min(...times)).toBe(16_000)
    expect(Math.max(...times)).toBeLessThan(31_000)
  })

  test('whoever asks again is told the same', () => {
    const waves = open(Math.random)
    const times = place(waves, 100)
    expect(place(waves, 100)).toEqual(times)
  })

  test('a place that was not used yet is kept in the next generation, a used one is not', () => {
    const before = open(() => 0)
    place(before, 24)
    const next = open(() => 0, before, 8, 2000)
    for (let i = 0; i < 8; i++) next.releaseMs(`new${i}`, 7)
    expect(next.releaseMs('r10', 6)).toBe(16_000)
    // It has generation 7: what it waits for is 8, and its place is a new one.
    expect(next.releaseMs('r11', 7)).toBe(17_000)
  })

  test('publications that follow each other faster than the waves put nobody off', () => {
    let waves = open(() => 0)
    place(waves, 24)
    for (let generation = 8; generation < 30; generation++) {
      waves = open(() => 0, waves, generation, generation * 2000)
      for (let i = 23; i >= 0; i--) expect(waves.releaseMs(`r${i}`, 6)).toBeLessThanOrEqual(16_000)
    }
  })

  test('more than are remembered get a time too', () => {
    const waves = new Waves({ generation: 1, startMs: 0 }, { ...options, maxRemembered: 2 }, () => 0)
    expect(place(waves, 9)).toEqual([0, 0, 0, 0, 0, 0, 0, 0, 15_000])
    expect(waves.releaseMs('r0', 0)).toBe(0)
  })
})
