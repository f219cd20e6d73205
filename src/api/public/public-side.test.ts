import { describe, expect, test } from 'bun:test'
import { pageOf } from './public-side.ts'

const names = ['a', 'ab', 'b', 'b/a', 'ba', 'c']
const self = (name: string) => name

describe('a page of a sorted list', () => {
  test.each<[string, { q?: string; after?: string; limit: number }, string[], number, string | undefined]>([
    ['the first', { limit: 2 }, ['a', 'ab'], 6, 'ab'],
    ['after a name', { after: 'ab', limit: 2 }, ['b', 'b/a'], 6, 'b/a'],
    ['after a name that is not there', { after: 'aa', limit: 2 }, ['ab', 'b'], 6, 'b'],
    ['the last, filled to the brim', { after: 'b/a', limit: 2 }, ['ba', 'c'], 6, undefined],
    ['beyond the end', { after: 'z', limit: 2 }, [], 6, undefined],
    ['those that contain a text', { q: 'a', limit: 3 }, ['a', 'ab', 'b/a'], 4, 'b/a'],
    ['the rest of those', { q: 'a', after: 'b/a', limit: 3 }, ['ba'], 4, undefined],
    ['none', { q: 'x', limit: 3 }, [], 0, undefined],
  ])('%s', (_, { q = '', after = '', limit }, items, matches, next) => {
    const page = pageOf(names, self, { q, after, limit })
    expect(page).toEqual({ items, matches, ...(next === undefined ? {} : { next }) })
  })

  test('following `next` shows each once', () => {
    for (let limit = 1; limit <= names.length + 1; limit++) {
      const seen: string[] = []
      let after: string | undefined = ''
      while (after !== undefined) {
        const { items, next }: { items: readonly string[]; next?: string } = pageOf(names, self, {
          q: '',
          after,
          limit,
        })
        seen.push(...items)
        after = next
      }
      expect(seen).toEqual(names)
    }
  })
})
