import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { makeDigest } from '#oci/digest.ts'
import {
  aboutContents,
  ContentsRefused,
  cheapestChain,
  filesOf,
  parseContents,
  type TreeContents,
  type TreeFile,
} from './tree-contents.ts'
import { spanPath } from './tree-path.ts'

const digest = makeDigest('sha256', '12'.repeat(32))
const file = (kind: 'list' | 'pack', from: number, to: number, sizeBytes = 10): TreeFile => ({
  path: spanPath(kind, { from, to }),
  from,
  to,
  sizeBytes,
  digest,
})

const contents: TreeContents = {
  channel: 'stable',
  generation: 7,
  createdAtMs: 1_795_500_000_000,
  lists: [file('list', 0, 5), file('list', 3, 6), file('list', 6, 7)],
  packs: [file('pack', 0, 7)],
  popular: { path: 'lists/3.popular.gz', number: 3, sizeBytes: 4, digest },
}
const about = { format: 1, channel: 'stable', generation: 7, createdAtMs: 1_795_500_000_000 }
const entry = ({ path, sizeBytes }: { path: string; sizeBytes: number }) =>
  [path, { sizeBytes, sha256: '12'.repeat(32) }] as const
const signed = (files: readonly { path: string; sizeBytes: number }[], change: object = {}) => ({
  about: { ...about, ...change },
  files: new Map(files.map(entry)),
})

describe('what a tree says of itself', () => {
  test('comes back as it was', () => {
    expect(aboutContents(contents)).toEqual({ ...about, format: 1 })
    expect(parseContents(signed(filesOf(contents)))).toEqual(contents)
    expect(parseContents(signed(filesOf({ ...contents, popular: undefined }))).popular).toBeUndefined()
  })

  test('may name files that are not known here, and an older popularity list', () => {
    const more = ['lists/2.popular.gz', 'lists/7.sig', 'news/7', '../../etc/passwd', '/etc/passwd', 'blobs/sha256/ab/x']
    const files = [...filesOf(contents), ...more.map((path) => ({ path, sizeBytes: 1 }))]
    expect(parseContents(signed(files))).toEqual(contents)
  })

  const { lists, packs } = contents
  test.each<[string, readonly { path: string; sizeBytes: number }[], object]>([
    ['a later format', [...lists, ...packs], { format: 2 }],
    ['a channel with a slash', [...lists, ...packs], { channel: '../stable' }],
    ['no channel', [...lists, ...packs], { channel: undefined }],
    ['generation 0', [...lists, ...packs], { generation: 0 }],
    ['a fractional generation', [...lists, ...packs], { generation: 7.5 }],
    ['a generation that no list leads to', [...lists, ...packs], { generation: 8 }],
    ['a negative time', [...lists, ...packs], { createdAtMs: -1 }],
    ['no lists', packs, {}],
    ['no packs', lists, {}],
    ['a list of a later generation', [...lists, ...packs, file('list', 7, 8)], {}],
    ['a broken chain', [file('list', 0, 5), file('list', 6, 7), ...packs], {}],
  ])('with %s is refused', (_, files, change) => {
    expect(() => parseContents(signed(files, change))).toThrow(ContentsRefused)
  })

  test('is refused when a digest is none, and when there is nothing', () => {
    const files = new Map(
      [...filesOf(contents)].map(({ path, sizeBytes }) => [path, { sizeBytes, sha256: 'zz' }] as const),
    )
    expect(() => parseContents({ about, files })).toThrow('has no sha256')
    for (const nothing of [undefined, null, 7, [], {}])
      expect(() => parseContents({ about: nothing, files: new Map() })).toThrow(ContentsRefused)
  })
})

describe('cheapestChain', () => {
  const files = [file('list', 0, 5, 50), file('list', 0, 7, 70), file('list', 5, 6, 1), file('list', 6, 7, 1)]
  test.each([
    [0, 7, ['lists/5.gz', 'lists/5-6.gz', 'lists/6-7.gz']],
    [5, 7, ['lists/5-6.gz', 'lists/6-7.gz']],
    [6, 7, ['lists/6-7.gz']],
    [4, 7, ['lists/5.gz', 'lists/5-6.gz', 'lists/6-7.gz']],
    [3, 4, undefined],
    [7, 7, []],
    [0, 8, undefined],
  ])('from %p to %p', (held, wanted, expected) => {
    expect(cheapestChain(files, held, wanted)?.map((one) => one.path)).toEqual(expected)
  })

  test('begins within a file that spans what is held', () => {
    const merged = [file('list', 0, 9, 500), file('list', 2, 6, 8), file('list', 6, 8, 4), file('list', 8, 9, 1)]
    expect(cheapestChain(merged, 5, 9)?.map((one) => one.path)).toEqual([
      'lists/2-6.gz',
      'lists/6-8.gz',
      'lists/8-9.gz',
    ])
    expect(cheapestChain(merged, 7, 9)?.map((one) => one.path)).toEqual(['lists/6-8.gz', 'lists/8-9.gz'])
    expect(cheapestChain(merged, 1, 9)?.map((one) => one.path)).toEqual(['lists/9.gz'])
  })

  test('is never dearer than any other way (against trying all)', () => {
    const dearest = Number.POSITIVE_INFINITY
    const tryAll = (all: readonly TreeFile[], starts: readonly number[], wanted: number): number => {
      if (starts.includes(wanted)) return 0
      const into = all.filter((one) => one.to === wanted)
      const before = (one: TreeFile) =>
        one.from === 0 ? [0] : Array.from({ length: one.to - one.from }, (_, i) => one.from + i)
      const costs = into.flatMap((one) => before(one).map((at) => one.sizeBytes + tryAll(all, starts, at)))
      return Math.min(dearest, ...costs)
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
        let at = chain[0]!.from === 0 ? 0 : held
        for (const one of chain) {
          expect(one.from <= at && at < one.to).toBe(true)
          at = one.to
        }
        expect(at).toBe(8)
      }),
    )
  })
})
