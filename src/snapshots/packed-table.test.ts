import { expect, test } from 'bun:test'
import fc from 'fast-check'
import { type Digest, parseDigest } from '#oci/digest.ts'
import { type Packed, type PackedKind, PackedTable } from './packed-table.ts'

type Item = { digest: Digest; sizeBytes: number; bytes: unknown; detail: string }
const kind: PackedKind<Item, string> = {
  keyOf: (detail) => (detail === 'alone' ? undefined : detail),
  make: (digest, sizeBytes, bytes, detail) => ({ digest, sizeBytes, bytes, detail }),
}
const hexDigit = fc.constantFrom(...'0123456789abcdef')
/** Few of them, and many that begin alike: what a table has to tell apart. */
const digest = fc
  .record({
    long: fc.boolean(),
    first: fc.constantFrom('0', 'f', '8'),
    last: hexDigit,
    place: fc.constantFrom(7, 8, 63),
  })
  .map(({ long, first, last, place }) => {
    const hex = [...first.repeat(long ? 128 : 64)]
    hex[place] = last
    return parseDigest(`${long ? 'sha512' : 'sha256'}:${hex.join('')}`)!
  })
const packed: fc.Arbitrary<Packed<string>> = fc.record({
  digest,
  sizeBytes: fc.maxSafeNat(),
  offset: fc.option(
    fc.maxSafeNat().map((n) => Math.floor(n / 2)),
    { nil: undefined },
  ),
  detail: fc.constantFrom('a', 'b', 'alone'),
})
const items = fc.uniqueArray(packed, { selector: (item) => item.digest, maxLength: 40 })

function expected(item: Packed<string>, pack: string, payloadStart: number): Item {
  const { digest, sizeBytes, offset, detail } = item
  const bytes = offset === undefined ? undefined : { pack, offset: payloadStart + offset, sizeBytes }
  return { digest, sizeBytes, bytes, detail }
}

test('a table is the map that it was made from, however often it was changed', () => {
  fc.assert(
    fc.property(fc.array(fc.record({ added: items, removed: fc.array(digest) }), { maxLength: 5 }), (changes) => {
      const map = new Map<Digest, Item>()
      let table = PackedTable.of(kind, [], { path: '', payloadStart: 0 })
      for (const [i, { added, removed }] of changes.entries()) {
        const [path, payloadStart] = [`${i}.pack`, i * 1000]
        const before = [...table.values()]
        const next = table.changed(new Set(removed), PackedTable.of(kind, added, { path, payloadStart }))
        expect([...table.values()]).toEqual(before)
        table = next
        for (const one of removed) map.delete(one)
        for (const one of added) map.set(one.digest, expected(one, path, payloadStart))
      }
      expect(table.size).toBe(map.size)
      expect(new Map([...table.values()].map((item) => [item.digest, item]))).toEqual(map)
      expect(new Set(table.keys())).toEqual(new Set(map.keys()))
      for (const [one, item] of map) expect(table.get(one)).toEqual(item)
      for (const detail of ['a', 'alone'])
        expect([...table.values((one) => one === detail)].length).toBe(
          [...map.values()].filter((item) => item.detail === detail).length,
        )
      fc.assert(
        fc.property(
          digest,
          (one) => table.has(one) === map.has(one) && (table.get(one) === undefined) !== map.has(one),
        ),
        { numRuns: 20 },
      )
    }),
    { numRuns: 200 },
  )
})

const hex = 'a'.repeat(64)
const whole = parseDigest(`sha256:${hex}`)!
test.each<[string, string]>([
  ['nothing', ''],
  ['no algorithm', hex],
  ['another one', `sha384:${hex}`],
  ['too short', whole.slice(0, -1)],
  ['too long', `${whole}a`],
  ['upper case', `sha256:${hex.toUpperCase()}`],
  ['upper case at the end', `sha256:${hex.slice(1)}A`],
  ['a digit that is none', `sha256:${hex.slice(1)}g`],
  ['a digit that is none, at first', `sha256:g${hex.slice(1)}`],
  ['a colon for a digit', `sha256:${hex.slice(1)}:`],
  ['a character of another alphabet', `sha256:${hex.slice(1)}а`],
])('%s finds nothing', (_, text) => {
  const item = { digest: whole, sizeBytes: 1, offset: undefined, detail: 'a' }
  const table = PackedTable.of(kind, [item], { path: '', payloadStart: 0 })
  expect([table.has(text), table.get(text), table.get(whole)?.sizeBytes]).toEqual([false, undefined, 1])
})

test('a digest that comes twice is there once', () => {
  const item = { digest: whole, sizeBytes: 1, offset: undefined, detail: 'a' }
  expect(PackedTable.of(kind, [item, item], { path: '', payloadStart: 0 }).size).toBe(1)
})
