// What pulls by day and the order of popularity may rely on, for every engine.

import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { makeDigest } from '#oci/digest.ts'
import { addPulls, dayOf, forgetPulls, halfLifeDays, keptDays, listPopular, scorePerPull } from './pulls.ts'
import type { Catalogue } from './schema.ts'
import { addTreeBlobs } from './tree-blobs.ts'

const digest = (n: number) => makeDigest('sha256', n.toString(16).padStart(64, '0'))
const today = 20_500
const blobs = 20

type Pull = { readonly blob: number; readonly age: number; readonly count: number }

/** The slow, obvious twin. */
function popularOf(pulls: readonly Pull[], limit: number) {
  const rows = Array.from({ length: blobs }, (_, blob) => {
    const mine = pulls.filter((pull) => pull.blob === blob)
    const weightOf = (age: number) =>
      age < keptDays ? Math.ceil(scorePerPull * 2 ** (-Math.max(0, age) / halfLifeDays)) : 0
    const score = mine.reduce((sum, { age, count }) => sum + count * weightOf(age), 0)
    return { digest: digest(blob), sizeBytes: 1000 + blob, score, pulls: mine.reduce((sum, one) => sum + one.count, 0) }
  })
  return rows
    .filter(({ score }) => score > 0)
    .sort((a, b) => b.score - a.score || (a.digest < b.digest ? -1 : 1))
    .slice(0, limit)
}

export function pullsContract(engine: string, open: () => Promise<Catalogue>): void {
  describe(`pulls on ${engine}`, () => {
    let catalogue: Catalogue
    let count = 0
    const freshChannel = async () => {
      const channel = `channel${++count}`
      const rows = Array.from({ length: blobs }, (_, n) => ({ digest: digest(n), sizeBytes: 1000 + n, generation: 1 }))
      await catalogue.transaction().execute((tx) => addTreeBlobs(tx, channel, rows))
      return channel
    }
    const add = (channel: string, { blob, age, count }: Pull) =>
      addPulls(catalogue, { channel, day: today - age }, new Map([[digest(blob), count]]))

    beforeAll(async () => {
      catalogue = await open()
    })
    afterAll(() => catalogue.destroy())

    test('of one day add up; a pull of a half-life ago is half a pull', async () => {
      const channel = await freshChannel()
      await add(channel, { blob: 1, age: 0, count: 2 })
      await add(channel, { blob: 1, age: 0, count: 3 })
      await add(channel, { blob: 2, age: halfLifeDays, count: 4 })
      expect(await listPopular(catalogue, channel, today, 10)).toEqual([
        { digest: digest(1), sizeBytes: 1001, score: 5 * scorePerPull, pulls: 5 },
        { digest: digest(2), sizeBytes: 1002, score: 2 * scorePerPull, pulls: 4 },
      ])
    })

    test('of blobs that are not in the tree, and of other channels, are left out', async () => {
      const channel = await freshChannel()
      const other = await freshChannel()
      await add(other, { blob: 1, age: 0, count: 1 })
      await add(channel, { blob: blobs + 1, age: 0, count: 1 })
      expect(await listPopular(catalogue, channel, today, 10)).toEqual([])
    })

    test('are ordered as the twin orders them, whatever was pulled when', async () => {
      const pull = fc.record({
        blob: fc.integer({ min: 0, max: blobs - 1 }),
        // A clock that is ahead has days to come.
        age: fc.integer({ min: -2, max: keptDays + 5 }),
        count: fc.integer({ min: 1, max: 1_000_000 }),
      })
      await fc.assert(
        fc.asyncProperty(fc.array(pull, { maxLength: 30 }), fc.integer({ min: 1, max: 25 }), async (pulls, limit) => {
          const channel = await freshChannel()
          for (const one of pulls) await add(channel, one)
          expect(await listPopular(catalogue, channel, today, limit)).toEqual(popularOf(pulls, limit))
        }),
        { numRuns: 15 },
      )
    })

    test('come in thousands at once, and from several who add at once', async () => {
      const channel = await freshChannel()
      const many = new Map(Array.from({ length: 5000 }, (_, n) => [digest(n), 1]))
      const backwards = new Map([...many].reverse())
      await Promise.all([many, backwards, many].map((counts) => addPulls(catalogue, { channel, day: today }, counts)))
      const popular = await listPopular(catalogue, channel, today, 100)
      expect(popular.map(({ pulls }) => pulls)).toEqual(new Array(blobs).fill(3))
    })

    test('are forgotten when they count nothing any more', async () => {
      const channel = await freshChannel()
      for (const age of [0, keptDays - 1, keptDays, keptDays + 1])
        await add(channel, { blob: age % blobs, age, count: 1 })
      const days = async () => {
        const rows = await catalogue
          .selectFrom('pulls')
          .select('day')
          .where('channel', '=', channel)
          .orderBy('day')
          .execute()
        return rows.map(({ day }) => today - day)
      }
      const before = await listPopular(catalogue, channel, today, 10)
      await forgetPulls(catalogue, today - keptDays)
      expect(await days()).toEqual([keptDays, keptDays - 1, 0])
      expect(await listPopular(catalogue, channel, today, 10)).toEqual(before)
      await forgetPulls(catalogue, today)
      expect(await days()).toEqual([0])
    })

    test('belong to days of UTC', () => {
      expect([dayOf(0), dayOf(86_399_999), dayOf(86_400_000)]).toEqual([0, 0, 1])
    })
  })
}
