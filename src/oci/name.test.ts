import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { parseName, parseTag } from './name.ts'

describe('repository names', () => {
  test.each([
    'a',
    '0',
    'a/b',
    'a.b',
    'a_b',
    'a__b',
    'a-b',
    'a---b',
    'a.b_c__d-e/f0',
    'a'.repeat(255),
    `${'a/'.repeat(127)}a`,
  ])('%s', (text) => {
    expect(parseName(text) as string).toBe(text)
  })

  test.each([
    '',
    'A',
    'a'.repeat(256),
    '/a',
    'a/',
    'a//b',
    '-a',
    'a-',
    '.a',
    'a.',
    '_a',
    'a_',
    'a..b',
    'a___b',
    'a._b',
    'a-_b',
    'a/./b',
    '..',
    'a b',
    'a\n',
    'a:b',
    'a@b',
    'a%2fb',
    'é',
    'a\0',
  ])('%j is none', (text) => {
    expect(parseName(text)).toBeUndefined()
  })

  test('a hostile name costs no more than its length', () => {
    for (const text of [`${'a'.repeat(254)}!`, `${'a-'.repeat(127)}!`, `${'a/'.repeat(127)}!`, 'a__'.repeat(85)])
      expect(parseName(text)).toBeUndefined()
  })

  test('no name has a part that a file system would read as another', () => {
    const unit = fc.constantFrom('a', '0', '.', '_', '-', '/', '..', 'A', '%')
    fc.assert(
      fc.property(fc.string({ unit, maxLength: 20 }), (text) => {
        if (parseName(text) === undefined) return true
        return text.split('/').every((part) => /^[a-z0-9]/.test(part) && /[a-z0-9]$/.test(part) && !part.includes('..'))
      }),
    )
  })
})

describe('tags', () => {
  test.each(['a', 'A', '0', '_', '1.0-rc_2', 'x..y', '_-.', 'a'.repeat(128)])('%s', (text) => {
    expect(parseTag(text) as string).toBe(text)
  })

  test.each(['', '.', '-', '.a', '-a', 'a'.repeat(129), 'a b', 'a/b', 'a:b', 'a@b', 'a+b', 'a\n', 'é'])(
    '%j is none',
    (text) => {
      expect(parseTag(text)).toBeUndefined()
    },
  )
})
