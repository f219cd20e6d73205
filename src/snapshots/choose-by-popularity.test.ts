import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { type Digest, makeDigest } from '#oci/digest.ts'
import type { ListedBlob } from './blob-list.ts'
import { type CopyLimits, chooseByPopularity, copyLimitDefaults, type Popularity } from './choose-by-popularity.ts'

const digest = (n: number) => makeDigest('sha256', n.toString(16).padStart(64, '0'))
const blob = (n: number, sizeBytes: number, generation = 1): ListedBlob => ({
  digest: digest(n),
  sizeBytes,
  generation,
})
const limits = (capBytes: number, more: Partial<CopyLimits> = {}): CopyLimits => ({
  ...copyLimitDefaults,
  capBytes,
  ...more,
})
const none = () => false
const heldOf = (digests: ReadonlySet<Digest>) => (one: Digest) => digests.has(one)
const numbers = (digests: Iterable<Digest>) =>
  [...digests].map((one) => Number.parseInt(one.slice(7), 16)).sort((a, b) => a - b)

/** The slow, obvious twin: looks at all that is left for the best that fits, again and again. */
function chooseSlowly(
  blobs: readonly ListedBlob[],
  { scores, isHeld }: Popularity,
  { capBytes, newShare, heldBonus }: CopyLimits,
) {
  const kept = new Set<Digest>()
  let used = 0
  const rankOf = (one: ListedBlob) => (scores.get(one.digest) ?? 0) * (isHeld(one.digest) ? 1 + heldBonus : 1)
  const isNewer = (a: ListedBlob, b: ListedBlob) =>
    a.generation !== b.generation
      ? a.generation > b.generation
      : isHeld(a.digest) !== isHeld(b.digest)
        ? isHeld(a.digest)
        : a.digest < b.digest
  const isBetter = (a: ListedBlob, b: ListedBlob) => (rankOf(a) === rankOf(b) ? isNewer(a, b) : rankOf(a) > rankOf(b))
  const fill = (from: readonly ListedBlob[], room: number) => {
    for (;;) {
      // What does not fit now never will: the room only shrinks.
      const fits = from.filter((one) => !kept.has(one.digest) && used + one.sizeBytes <= room)
      if (fits.length === 0) return
      const best = fits.reduce((a, b) => (isBetter(b, a) ? b : a))
      kept.add(best.digest)
      used += best.sizeBytes
    }
  }
  const possible = blobs.filter((one) => one.sizeBytes <= capBytes)
  const unpulled = possible.filter((one) => !scores.has(one.digest))
  const newest = unpulled.filter((one) => {
    const newer = unpulled.filter((other) => isNewer(other, one))
    return newer.reduce((sum, other) => sum + other.sizeBytes, 0) < 2 * capBytes
  })
  fill(newest, Math.floor(capBytes * newShare))
  fill(
    possible.filter((one) => scores.has(one.digest)),
    capBytes,
  )
  fill(newest, capBytes)
  return kept
}

const listed = fc
  .array(
    fc.record({
      sizeBytes: fc.integer({ min: 0, max: 60 }),
      generation: fc.integer({ min: 1, max: 6 }),
      score: fc.option(fc.integer({ min: 1, max: 12 }), { nil: undefined }),
      isHeld: fc.boolean(),
    }),
    { maxLength: 40 },
  )
  .map((rows) => ({
    blobs: rows.map(({ sizeBytes, generation }, n) => blob(n, sizeBytes, generation)),
    scores: new Map(
      rows.flatMap(({ score }, n) => (score === undefined ? [] : [[digest(n) as string, score * 1000] as const])),
    ),
    held: new Set(rows.flatMap(({ isHeld }, n) => (isHeld ? [digest(n)] : []))),
  }))
const cap = fc.integer({ min: 0, max: 400 })
const share = fc.constantFrom(0, 0.1, 0.5, 1)

describe('what a copy keeps', () => {
  test('is what the twin keeps, in whatever order the list comes, and never more than the cap', async () => {
    await fc.assert(
      fc.asyncProperty(
        listed,
        cap,
        share,
        fc.infiniteStream(fc.nat()),
        async ({ blobs, scores, held }, capBytes, newShare, dice) => {
          const popularity = { scores, isHeld: heldOf(held) }
          const chosen = await chooseByPopularity(blobs, popularity, limits(capBytes, { newShare }))
          expect(numbers(chosen.digests)).toEqual(
            numbers(chooseSlowly(blobs, popularity, limits(capBytes, { newShare }))),
          )
          const kept = blobs.filter((one) => chosen.digests.has(one.digest))
          const sum = (some: readonly ListedBlob[]) => some.reduce((bytes, one) => bytes + one.sizeBytes, 0)
          expect(chosen.sizeBytes).toBe(sum(kept))
          expect(chosen.unpulledBytes).toBe(sum(kept.filter((one) => !scores.has(one.digest))))
          expect(chosen.sizeBytes).toBeLessThanOrEqual(capBytes)
          const shuffled = blobs.map((one) => [dice.next().value, one] as const).sort(([a], [b]) => a - b)
          const again = await chooseByPopularity(
            shuffled.map(([, one]) => one),
            popularity,
            limits(capBytes, { newShare }),
          )
          expect(numbers(again.digests)).toEqual(numbers(chosen.digests))
        },
      ),
      { numRuns: 300 },
    )
  })

  test('stays the same, to the blob, while scores move by less than the bonus', async () => {
    const factors = fc.array(fc.double({ min: 1, max: 1.2499, noNaN: true }), { minLength: 40, maxLength: 40 })
    await fc.assert(
      fc.asyncProperty(listed, cap, share, factors, async ({ blobs, scores }, capBytes, newShare, moved) => {
        const copyLimits = limits(capBytes, { newShare })
        const first = await chooseByPopularity(blobs, { scores, isHeld: none }, copyLimits)
        const later = new Map([...scores].map(([name, score], i) => [name, Math.round(score * 1000 * moved[i]!)]))
        const then = await chooseByPopularity(blobs, { scores: later, isHeld: heldOf(first.digests) }, copyLimits)
        expect(numbers(then.digests)).toEqual(numbers(first.digests))
      }),
      { numRuns: 500 },
    )
  })

  test('changes when a score moves by more', async () => {
    const blobs = [blob(1, 10), blob(2, 10)]
    const choose = async (first: number, second: number) => {
      const scores = new Map([
        [digest(1) as string, first],
        [digest(2) as string, second],
      ])
      return numbers(
        (await chooseByPopularity(blobs, { scores, isHeld: heldOf(new Set([digest(1)])) }, limits(10))).digests,
      )
    }
    expect(await choose(100, 124)).toEqual([1])
    expect(await choose(100, 126)).toEqual([2])
  })

  test('a flood of blobs that nobody pulled takes its share and no byte more', async () => {
    const popular = Array.from({ length: 100 }, (_, n) => blob(n, 10, 1))
    const scores = new Map(popular.map(({ digest: name }, n) => [name as string, 1000 - n]))
    const flood = Array.from({ length: 10_000 }, (_, n) => blob(1000 + n, 10, 2 + (n % 50)))
    const { digests, unpulledBytes } = await chooseByPopularity(
      [...flood, ...popular],
      { scores, isHeld: none },
      limits(1000),
    )
    expect(unpulledBytes).toBe(100)
    const kept = numbers(digests)
    expect(kept.slice(0, 90)).toEqual(Array.from({ length: 90 }, (_, n) => n))
    // The newest generation, of which there is more than fits.
    expect(kept.slice(90).every((n) => (n - 1000) % 50 === 49)).toBe(true)
  })

  test('what the share for the new does not need goes to the popular, and what those leave to the others', async () => {
    const popular = Array.from({ length: 100 }, (_, n) => blob(n, 10))
    const scores = new Map(popular.map(({ digest: name }) => [name as string, 1]))
    const { sizeBytes, unpulledBytes } = await chooseByPopularity(
      [...popular, blob(500, 30)],
      { scores, isHeld: none },
      limits(1000),
    )
    expect([sizeBytes, unpulledBytes]).toEqual([1000, 30])
    const whole = await chooseByPopularity(
      [...popular, blob(500, 300), blob(501, 700)],
      { scores, isHeld: none },
      limits(2000),
    )
    expect([whole.sizeBytes, whole.unpulledBytes]).toEqual([2000, 1000])
  })

  test('is all of it when there is room, and nothing without', async () => {
    const blobs = [blob(1, 10), blob(2, 20)]
    const popularity = { scores: new Map([[digest(1) as string, 5]]), isHeld: none }
    expect(numbers((await chooseByPopularity(blobs, popularity, limits(1000))).digests)).toEqual([1, 2])
    expect(numbers((await chooseByPopularity(blobs, popularity, limits(0))).digests)).toEqual([])
  })
})
