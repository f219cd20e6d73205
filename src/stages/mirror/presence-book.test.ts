import { expect, test } from 'bun:test'
import fc from 'fast-check'
import type { TreeBlob } from './host-records.ts'
import { PresenceBook } from './presence-book.ts'

const blob = (digest: string, generation: number): TreeBlob => ({ digest, generation, sizeBytes: 1 })

test('the proven generation waits for the slowest verdict', () => {
  const book = new PresenceBook({ generation: 1, missing: ['old'], extra: [] })
  const [a, b, c] = [blob('a', 2), blob('b', 2), blob('c', 3)]
  for (const one of [a, b, c]) book.begin(one)
  book.settle(c, true)
  book.settle(a, true)
  expect(book.toPresence()).toEqual({ generation: 1, missing: ['old'], extra: ['a', 'c'] })
  book.settle(b, false)
  expect(book.toPresence()).toEqual({ generation: 2, missing: ['b', 'old'], extra: ['c'] })
  book.finish(4)
  expect(book.toPresence()).toEqual({ generation: 4, missing: ['b', 'old'], extra: [] })
})

test('what could not be told keeps its generation unproven, and nothing that was proven is lost', () => {
  const book = new PresenceBook({ generation: 1, missing: [], extra: ['b'] })
  for (const one of [blob('a', 2), blob('b', 3)]) book.begin(one)
  book.settle(blob('a', 2), undefined)
  book.settle(blob('b', 3), true)
  book.finish(3)
  expect(book.toPresence()).toEqual({ generation: 1, missing: [], extra: ['b'] })
})

test('a missing blob that came is missing no more', () => {
  const book = new PresenceBook({ generation: 5, missing: ['x', 'y'], extra: [] })
  book.correct('x', true)
  expect(book.toPresence().missing).toEqual(['y'])
})

test('whatever the order of verdicts, a blob counts as held exactly when it was settled so', () => {
  const verdict = fc.constantFrom(true, false, undefined)
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.integer({ min: 2, max: 6 }), verdict, fc.nat()), { maxLength: 30 }),
      fc.boolean(),
      (rows, isWhole) => {
        const blobs = rows
          .map(([generation, isHeld, order], i) => ({ ...blob(`d${i}`, generation), isHeld, order }))
          .sort((a, b) => a.generation - b.generation)
        const book = new PresenceBook({ generation: 1, missing: [], extra: [] })
        // Verdicts overtake one another, but no blob is settled before it has begun.
        const open: typeof blobs = []
        for (const one of blobs) {
          book.begin(one)
          open.push(one)
          if (one.order % 3 === 0) continue
          const [settled] = open.splice(one.order % open.length, 1)
          book.settle(settled!, settled!.isHeld)
        }
        for (const one of open) book.settle(one, one.isHeld)
        if (isWhole) book.finish(6)
        const told = book.toPresence()
        for (const { digest, generation, isHeld } of blobs) {
          const isToldHeld =
            generation <= told.generation ? !told.missing.includes(digest) : told.extra.includes(digest)
          expect(isToldHeld).toBe(isHeld === true)
        }
        if (isWhole && blobs.every(({ isHeld }) => isHeld !== undefined)) expect(told.generation).toBe(6)
      },
    ),
    { numRuns: 300 },
  )
})
