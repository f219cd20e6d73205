import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { makeDigest } from '#oci/digest.ts'
import {
  aboutContents,
  cheapestChain,
  filesOf,
  parseContents,
  type TreeContents,
  type TreeFile,
} from './tree-contents.ts'
import { popularityPath, spanPath } from './tree-path.ts'

const hex = '12'.repeat(32)
const digest = makeDigest('sha256', hex)
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
  popular: { path: popularityPath(4), number: 4, sizeBytes: 20, digest },
}
const targets = (of: TreeContents) => ({
  about: aboutContents(of) as unknown,
  files: new Map(filesOf(of).map((one) => [one.path, { sizeBytes: one.sizeBytes, sha256: hex }])),
})

describe('what a tree says of itself', () => {
  test('comes back as it was, with a list of what is popular and without', () => {
    for (const popular of [contents.popular, undefined])
      expect(parseContents(targets({ ...contents, popular }))).toEqual({ ...contents, popular })
  })

  test('may name what is not known here yet; of two lists of what is popular the newer one counts', () => {
    const { about, files } = targets(contents)
    const more = ['delegated.json', '../../etc/passwd', 'lists/9.gz.sig', popularityPath(3)]
    const all = new Map([...files, ...more.map((path) => [path, { sizeBytes: 1, sha256: hex }] as const)])
    expect(parseContents({ about, files: all })).toEqual(contents)
  })

  test.each<[string, object, string]>([
    ['a later format', { format: 2 }, 'a newer program is needed'],
    ['no format', { format: undefined }, 'a newer program is needed'],
    ['a channel with a slash', { channel: '../stable' }, 'no channel'],
    ['generation 0', { generation: 0 }, 'no generation'],
    ['a fractional generation', { generation: 7.5 }, 'no generation'],
    ['a generation that no list leads to', { generation: 8 }, 'no chain of lists'],
    ['a negative time', { createdAtMs: -1 }, 'no time'],
  ])('with %s is refused', (_, change, reason) => {
    const { about, files } = targets(contents)
    expect(() => parseContents({ about: { ...(about as object), ...change }, files })).toThrow(reason)
  })

  test.each<[string, Partial<TreeContents>, string]>([
    ['no lists', { lists: [] }, 'no chain of lists'],
    ['no packs', { packs: [] }, 'no chain of packs'],
    [
      'a list of a later generation',
      { lists: [...contents.lists, file('list', 7, 8)] },
      'a list of a later generation',
    ],
    ['a broken chain', { lists: [file('list', 0, 5), file('list', 6, 7)] }, 'no chain of lists'],
    ['only changes', { packs: [file('pack', 3, 7)] }, 'no chain of packs'],
  ])('with %s is refused', (_, change, reason) => {
    expect(() => parseContents(targets({ ...contents, ...change }))).toThrow(reason)
  })

  test('with a file that has no sha256, or with nothing said at all, is refused', () => {
    const { about, files } = targets(contents)
    const path = contents.packs[0]!.path
    expect(() => parseContents({ about, files: new Map([...files, [path, { sizeBytes: 1, sha256: 'zz' }]]) })).toThrow(
      'has no sha256',
    )
    expect(() => parseContents({ about: undefined, files })).toThrow('format undefined')
  })
})

describe('cheapestChain', () => {
  const files = [file('list', 0, 5, 50), file('list', 0, 7, 70), file('list', 5, 6, 1), file('list', 6, 7, 1)]
  test.each([
    [0, 7, ['lists/5.gz', 'lists/5-6.gz', 'lists/6-7.gz']],
    [5, 7, ['lists/5-6.gz', 'lists/6-7.gz']],
    [6, 7, ['lists/6-7.gz']],
    [4, 7, ['lists/5.gz', 'lists/5-6.gz', 'lists/6-7.gz']],
    [2, 7, ['lists/5.gz', 'lists/5-6.gz', 'lists/6-7.gz']],
    [7, 7, []],
    [0, 8, undefined],
  ])('from %p to %p', (held, wanted, expected) => {
    expect(cheapestChain(files, held, wanted)?.map((one) => one.path)).toEqual(expected)
  })

  test('is never dearer than any other way (against trying all)', () => {
    const dearest = Number.POSITIVE_INFINITY
    const tryAll = (all: readonly TreeFile[], at: number, wanted: number): number => {
      if (at === wanted) return 0
      const onward = all.filter((one) => (one.from === 0 ? one.to > at : one.from <= at && at < one.to))
      return Math.min(dearest, ...onward.map((one) => one.sizeBytes + tryAll(all, one.to, wanted)))
    }
    const span = fc
      .tuple(fc.nat(6), fc.integer({ min: 1, max: 4 }), fc.nat(9))
      .map(([from, steps, size]) => file('list', from, from + steps, size))
    fc.assert(
      fc.property(fc.uniqueArray(span, { selector: (one) => one.path }), fc.nat(8), (all, held) => {
        const chain = cheapestChain(all, held, 8)
        const cost = chain?.reduce((sum, one) => sum + one.sizeBytes, 0) ?? dearest
        expect(cost).toBe(tryAll(all, held, 8))
        let at = held
        for (const one of chain ?? []) {
          expect(one.from === 0 || (one.from <= at && at < one.to)).toBe(true)
          at = one.to
        }
        if (chain) expect(at).toBe(8)
      }),
    )
  })
})
