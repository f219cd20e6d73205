import { expect, test } from 'bun:test'
import { chooseRanges, ifNoneMatchHits, parseRange } from './range.ts'

test.each([
  [undefined, undefined],
  ['', undefined],
  ['bytes=', undefined],
  ['bytes=,', undefined],
  ['items=0-1', undefined],
  ['bytes 0-1', undefined],
  ['bytes=a-1', undefined],
  ['bytes=1', undefined],
  ['bytes=--1', undefined],
  ['bytes=-', undefined],
  ['bytes=0x0-1', undefined],
  ['bytes=0-1,x', undefined],
  [`bytes=${Array(65).fill('0-0').join(',')}`, undefined],
  ['bytes=0-', [{ first: 0, last: undefined }]],
  ['Bytes=0-0', [{ first: 0, last: 0 }]],
  ['bytes=2-1', [{ first: 2, last: 1 }]],
  ['bytes=-5', [{ first: undefined, suffix: 5 }]],
  [
    'bytes= 0-1 , 5-6 ,, -1',
    [
      { first: 0, last: 1 },
      { first: 5, last: 6 },
      { first: undefined, suffix: 1 },
    ],
  ],
] as const)('%s', (header, specs) => {
  expect(parseRange(header)).toEqual(specs as never)
})

test.each([
  [undefined, undefined, 'all'],
  ['bytes=0-', undefined, [{ first: 0, last: 9 }]],
  ['bytes=3-5', undefined, [{ first: 3, last: 5 }]],
  ['bytes=3-99', undefined, [{ first: 3, last: 9 }]],
  ['bytes=3-99999999999999999999999', undefined, [{ first: 3, last: 9 }]],
  ['bytes=-3', undefined, [{ first: 7, last: 9 }]],
  ['bytes=-99', undefined, [{ first: 0, last: 9 }]],
  ['bytes=-0', undefined, 'unsatisfiable'],
  ['bytes=10-', undefined, 'unsatisfiable'],
  ['bytes=5-0', undefined, 'unsatisfiable'],
  ['bytes=0-1,5-0', undefined, [{ first: 0, last: 1 }]],
  ['bytes=99999999999999999999999-', undefined, 'unsatisfiable'],
  [
    'bytes=0-1,8-',
    undefined,
    [
      { first: 0, last: 1 },
      { first: 8, last: 9 },
    ],
  ],
  ['bytes=0-1,50-', undefined, [{ first: 0, last: 1 }]],
  ['bytes=0-,0-', undefined, 'all'],
  ['bytes=0-1', '"x"', [{ first: 0, last: 1 }]],
  ['bytes=0-1', ' "x" ', [{ first: 0, last: 1 }]],
  ['bytes=0-1', 'W/"x"', 'all'],
  ['bytes=0-1', '"y"', 'all'],
  ['bytes=50-', '"y"', 'all'],
  ['bytes=0-1', 'Tue, 24 Nov 2026 06:10:14 GMT', 'all'],
] as const)('of ten bytes, %s if %s', (range, ifRange, expected) => {
  expect(chooseRanges(10, { range, ifRange, etag: '"x"' })).toEqual(expected as never)
})

test('of no bytes there is no part', () => {
  expect(chooseRanges(0, { range: 'bytes=0-', ifRange: undefined, etag: '"x"' })).toBe('unsatisfiable')
  expect(chooseRanges(0, { range: 'bytes=-1', ifRange: undefined, etag: '"x"' })).toBe('unsatisfiable')
})

test.each([
  [undefined, false],
  ['"x"', true],
  ['*', true],
  ['W/"x"', true],
  ['"a", "x"', true],
  ['"a",W/"x" ,"b"', true],
  ['"a"', false],
  ['x', false],
  ['"a"x"', false],
  ['"ax"', false],
  ['', false],
])('If-None-Match: %s', (header, hits) => {
  expect(ifNoneMatchHits(header, '"x"')).toBe(hits)
})
