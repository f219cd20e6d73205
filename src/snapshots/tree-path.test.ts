import { describe, expect, test } from 'bun:test'
import { makeDigest } from '#oci/digest.ts'
import { isChannelName, isHostName, parseTreePath, popularityPath, spanPath } from './tree-path.ts'

const hex = 'ab'.repeat(32)
const long = 'cd'.repeat(64)

describe('parseTreePath', () => {
  test.each([
    [`blobs/sha256/ab/${hex}`, { kind: 'blob', digest: makeDigest('sha256', hex) }],
    [`blobs/sha512/cd/${long}`, { kind: 'blob', digest: makeDigest('sha512', long) }],
    ['lists/12.gz', { kind: 'list', from: 0, to: 12 }],
    ['lists/9-12.gz', { kind: 'list', from: 9, to: 12 }],
    ['lists/7.popular.gz', { kind: 'popular', number: 7 }],
    ['catalogue/12.pack', { kind: 'pack', from: 0, to: 12 }],
    ['catalogue/9-12.pack', { kind: 'pack', from: 9, to: 12 }],
    ['metadata/timestamp.json', { kind: 'metadata' }],
    ['metadata/3.root.json', { kind: 'metadata' }],
    ['trace/mirror.example.org', { kind: 'trace', host: 'mirror.example.org' }],
  ])('%s', (path, expected) => {
    expect(parseTreePath(path)).toEqual(expected as ReturnType<typeof parseTreePath>)
  })

  test.each([
    '',
    '/',
    'blobs',
    'blobs/',
    `/blobs/sha256/ab/${hex}`,
    `blobs/sha256/ac/${hex}`,
    `blobs/sha256/ab/${hex}/`,
    `blobs/sha256/ab/${hex}\n`,
    `blobs/sha256/ab/${hex.toUpperCase()}`,
    `blobs/sha256/ab/${hex}0`,
    `blobs/sha512/ab/${hex}`,
    `blobs/sha256/ab/../ab/${hex}`,
    `blobs//sha256/ab/${hex}`,
    `blobs/sha256/ab/.${hex}.0123456789abcdef.tmp`,
    'blobs/sha256/..',
    'lists/12-9.gz',
    'lists/9-9.gz',
    'lists/0-9.gz',
    'lists/09.gz',
    'lists/1.gz.gz',
    'lists/1234567890123456.gz',
    'lists/../lists/1.gz',
    'lists/0.popular.gz',
    'lists/07.popular.gz',
    'lists/popular.gz',
    'lists/1-2.popular.gz',
    'lists/1.popular',
    'lists/1xpopular.gz',
    'catalogue/1.popular.gz',
    'lists/%2e%2e/1.gz',
    'lists\\1.gz',
    'catalogue/1.gz',
    'metadata/../metadata/timestamp.json',
    'metadata/.timestamp.json',
    'metadata/timestamp.json.tmp',
    'metadata/..%2fkeys.json',
    'trace/..',
    'trace/.',
    'trace/',
    'trace/.lock',
    'trace/a/b',
    'trace/a..b',
    'trace/-a',
    'trace/A',
    'uploads/1/data',
    'keys/targets.key',
    '.replicate/state.json',
    'constructor/x',
  ])('%j is no name of a tree', (path) => {
    expect(parseTreePath(path)).toBeUndefined()
  })

  test('takes back what is made', () => {
    for (const span of [
      { from: 0, to: 3 },
      { from: 3, to: 4 },
    ]) {
      expect(parseTreePath(spanPath('list', span))).toEqual({ kind: 'list', ...span })
      expect(parseTreePath(spanPath('pack', span))).toEqual({ kind: 'pack', ...span })
    }
    expect(parseTreePath(popularityPath(12))).toEqual({ kind: 'popular', number: 12 })
  })
})

test('host and channel names have their limits', () => {
  expect(isHostName(`${'a'.repeat(63)}.${'b'.repeat(63)}`)).toBe(true)
  expect(isHostName('a'.repeat(64))).toBe(false)
  expect(isHostName(Array.from({ length: 128 }, () => 'a').join('.'))).toBe(false)
  expect(isChannelName('stable')).toBe(true)
  expect(isChannelName('a'.repeat(33))).toBe(false)
  expect(isChannelName('a/b')).toBe(false)
})
