import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { makeDigest } from '#oci/digest.ts'
import type { BlobListLine } from '#snapshots/blob-list.ts'
import { alignByDigest, applyDelta, nothing } from './align-by-digest.ts'

const digestOf = (n: number) => makeDigest('sha256', n.toString(16).padStart(64, '0'))
async function* stream<T>(items: Iterable<T>): AsyncGenerator<T> {
  yield* items
}
async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = []
  for await (const one of items) all.push(one)
  return all
}
const numbers = fc.uniqueArray(fc.nat(12)).map((list) => list.sort((a, b) => a - b))

describe('alignByDigest', () => {
  test('gives each digest once, with what each stream has (against looking everything up)', async () => {
    await fc.assert(
      fc.asyncProperty(numbers, numbers, numbers, async (...lists) => {
        const items = lists.map((list, of) => list.map((n) => ({ digest: digestOf(n), of })))
        const rows = await collect(alignByDigest(stream(items[0]!), stream(items[1]!), stream(items[2]!)))
        const all = [...new Set(lists.flat())].sort((a, b) => a - b).map(digestOf)
        const expected = all.map((digest) => items.map((list) => list.find((item) => item.digest === digest)))
        expect(rows as unknown[]).toEqual(expected)
      }),
    )
  })

  test('ends all streams when one fails or the reader leaves', async () => {
    const ended: string[] = []
    async function* open(name: string, failAt = Number.POSITIVE_INFINITY) {
      try {
        for (let n = 0; ; n++) {
          if (n === failAt) throw new Error(`${name} failed`)
          yield { digest: digestOf(n) }
        }
      } finally {
        ended.push(name)
      }
    }
    await expect(collect(alignByDigest(open('a', 3), open('b'), open('c')))).rejects.toThrow('a failed')
    expect(ended.sort()).toEqual(['a', 'b', 'c'])
    ended.length = 0
    for await (const _ of alignByDigest(open('a'), open('b'), open('c'))) break
    expect(ended.sort()).toEqual(['a', 'b', 'c'])
  })
})

test('applyDelta adds, replaces and drops', async () => {
  const line = (n: number, sign: BlobListLine['sign'], sizeBytes = n): BlobListLine => ({
    sign,
    digest: digestOf(n),
    sizeBytes,
    generation: 1,
  })
  const whole = [1, 3, 5, 7].map((n) => line(n, ''))
  const delta = [line(0, '+'), line(3, '-'), line(4, '-'), line(5, '+', 50), line(9, '+')]
  const result = await collect(applyDelta(stream(whole), stream(delta)))
  expect(result).toEqual([line(0, ''), line(1, ''), line(5, '', 50), line(7, ''), line(9, '')])
  expect(await collect(applyDelta(nothing(), nothing()))).toEqual([])
})
