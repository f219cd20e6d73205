import { expect, test } from 'bun:test'
import { BytesCache } from './bytes-cache.ts'

const of = (size: number) => new Uint8Array(size)

test('what was loaded is at hand; a load runs once for all who wait', async () => {
  const cache = new BytesCache(100)
  let loads = 0
  const load = async () => {
    loads++
    return of(10)
  }
  expect(cache.find('a')).toBeUndefined()
  const [one, two] = await Promise.all([cache.load('a', load), cache.load('a', load)])
  expect([loads, one === two, cache.find('a') === one]).toEqual([1, true, true])
})

test('a load that fails is tried again', async () => {
  const cache = new BytesCache(100)
  await expect(cache.load('a', () => Promise.reject(new Error('gone')))).rejects.toThrow('gone')
  expect(await cache.load('a', async () => of(1))).toEqual(of(1))
})

test('what is asked for stays, what is not goes, and no more than the bound is kept', async () => {
  const cache = new BytesCache(100)
  await cache.load('hot', async () => of(10))
  for (let i = 0; i < 50; i++) {
    await cache.load(`cold-${i}`, async () => of(10))
    expect(cache.find('hot')).toBeDefined()
  }
  const kept = Array.from({ length: 50 }, (_, i) => cache.find(`cold-${i}`)).filter((one) => one !== undefined)
  expect(kept.length * 10).toBeLessThanOrEqual(100)
  expect(cache.find('cold-0')).toBeUndefined()
})

test('what is larger than half the bound is not kept', async () => {
  const cache = new BytesCache(100)
  await cache.load('large', async () => of(51))
  expect(cache.find('large')).toBeUndefined()
})
