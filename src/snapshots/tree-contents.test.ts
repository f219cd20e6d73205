import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { makeDigest } from '#oci/digest.ts'
import { cheapestChain, encodePointer, openPointer, type Pointer, sealPointer, type TreeFile } from './pointer.ts'
import { spanPath } from './tree-path.ts'

const digest = makeDigest('sha256', '12'.repeat(32))
const file = (kind: 'list' | 'pack', from: number, to: number, sizeBytes = 10): TreeFile => ({
  path: spanPath(kind, { from, to }),
  from,
  to,
  sizeBytes,
  digest,
})

const pointer: Pointer = {
  format: 1,
  channel: 'stable',
  generation: 7,
  createdAtMs: 1_795_500_000_000,
  expiresAtMs: undefined,
  lists: [file('list', 0, 5), file('list', 5, 6), file('list', 6, 7)],
  packs: [file('pack', 0, 7)],
}
const signatures = [{ keyid: 'a', sig: 'b' }]
const trusting = () => 'a'
const seal = (document: unknown) => sealPointer(Buffer.from(JSON.stringify(document)), signatures)
const document = JSON.parse(Buffer.from(encodePointer(pointer)).toString())

describe('a pointer', () => {
  test('comes back as it was, with and without an expiry', () => {
    for (const expiresAtMs of [undefined, pointer.createdAtMs + 1]) {
      const sealed = sealPointer(encodePointer({ ...pointer, expiresAtMs }), signatures)
      expect(openPointer(sealed, trusting)).toEqual({ ...pointer, expiresAtMs })
    }
  })

  test('is opened only by a signature over exactly its bytes', () => {
    const bytes = encodePointer(pointer)
    const seen: unknown[] = []
    const refusing = (...args: unknown[]) => void seen.push(...args)
    expect(() => openPointer(sealPointer(bytes, signatures), refusing)).toThrow('unsigned')
    expect(Buffer.from(seen[0] as Uint8Array).equals(bytes)).toBe(true)
    expect(seen[1]).toEqual(signatures)
  })

  test.each<[string, object]>([
    ['another type', { type: 'withdrawn' }],
    ['a later format', { format: 2 }],
    ['a channel with a slash', { channel: '../stable' }],
    ['generation 0', { generation: 0 }],
    ['a fractional generation', { generation: 7.5 }],
    ['a generation that no list leads to', { generation: 8 }],
    ['a negative time', { createdAtMs: -1 }],
    ['an expiry that is text', { expiresAtMs: 'never' }],
    ['no lists', { lists: undefined }],
    ['empty lists', { lists: [] }],
    ['empty packs', { packs: [] }],
    ['a list twice', { lists: [...pointer.lists, pointer.lists[0]] }],
    ['a list of a later generation', { lists: [...pointer.lists, file('list', 7, 8)] }],
    ['a broken chain', { lists: [file('list', 0, 5), file('list', 6, 7)] }],
    ['a list that goes back', { lists: [file('list', 0, 7), { ...file('list', 5, 6), from: 6, to: 5 }] }],
    ['a path that leads out', { lists: [{ ...file('list', 0, 7), path: '../../etc/passwd' }] }],
    ['a path of another span', { lists: [{ ...file('list', 0, 7), path: 'lists/6.gz' }] }],
    ['a pack among the lists', { lists: [file('pack', 0, 7)] }],
    ['a size that is text', { lists: [{ ...file('list', 0, 7), sizeBytes: '10' }] }],
    ['a huge size', { lists: [{ ...file('list', 0, 7), sizeBytes: 2 ** 53 }] }],
    ['no digest', { packs: [{ ...file('pack', 0, 7), digest: 'sha256:zz' }] }],
    ['a null among the packs', { packs: [null] }],
  ])('with %s is refused, signed or not', (_, change) => {
    expect(() => openPointer(seal({ ...document, ...change }), trusting)).toThrow('malformed')
  })

  test.each<[string, string | Uint8Array]>([
    ['nothing', ''],
    ['null', 'null'],
    ['an array', '[]'],
    ['no envelope', '{}'],
    ['signatures that are none', '{"signed":"e30=","signatures":[null]}'],
    ['loose base64', '{"signed":"e30","signatures":[]}'],
    ['bytes that are not UTF-8', new Uint8Array([0x7b, 0xff, 0x7d])],
    ['deep nesting', `{"signed":${'['.repeat(30_000)}`],
    ['too many bytes', ' '.repeat(64 * 1024 + 1)],
  ])('made of %s is refused', (_, bytes) => {
    expect(() => openPointer(Buffer.from(bytes as string), trusting)).toThrow('malformed')
  })

  test('that would be too large is not made', () => {
    const lists = Array.from({ length: 400 }, (_, i) => file('list', i, i + 1))
    const encoded = encodePointer({ ...pointer, generation: 400, lists, packs: [file('pack', 0, 400)] })
    expect(() => sealPointer(encoded, signatures)).toThrow('thin out')
  })
})

describe('cheapestChain', () => {
  const files = [file('list', 0, 5, 50), file('list', 0, 7, 70), file('list', 5, 6, 1), file('list', 6, 7, 1)]
  test.each([
    [0, 7, ['lists/5.gz', 'lists/5-6.gz', 'lists/6-7.gz']],
    [5, 7, ['lists/5-6.gz', 'lists/6-7.gz']],
    [6, 7, ['lists/6-7.gz']],
    [4, 7, ['lists/5.gz', 'lists/5-6.gz', 'lists/6-7.gz']],
    [7, 7, []],
    [0, 8, undefined],
  ])('from %p to %p', (held, wanted, expected) => {
    expect(cheapestChain(files, held, wanted)?.map((one) => one.path)).toEqual(expected)
  })

  test('is never dearer than any other way (against trying all)', () => {
    const dearest = Number.POSITIVE_INFINITY
    const tryAll = (all: readonly TreeFile[], starts: readonly number[], wanted: number): number => {
      if (starts.includes(wanted)) return 0
      const into = all.filter((one) => one.to === wanted)
      return Math.min(dearest, ...into.map((one) => one.sizeBytes + tryAll(all, starts, one.from)))
    }
    const span = fc
      .tuple(fc.nat(6), fc.integer({ min: 1, max: 4 }), fc.nat(9))
      .map(([from, steps, size]) => file('list', from, from + steps, size))
    fc.assert(
      fc.property(fc.uniqueArray(span, { selector: (one) => one.path }), fc.nat(8), (all, held) => {
        const chain = cheapestChain(all, held, 8)
        const cost = chain?.reduce((sum, one) => sum + one.sizeBytes, 0) ?? dearest
        expect(cost).toBe(tryAll(all, [0, held], 8))
        if (!chain || chain.length === 0) return
        expect([0, held]).toContain(chain[0]!.from)
        for (const [i, one] of chain.entries()) expect(chain[i + 1]?.from ?? 8).toBe(one.to)
      }),
    )
  })
})
