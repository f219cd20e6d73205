import { describe, expect, test } from 'bun:test'
import { parseByteRanges, type RangeAnswer } from './byte-ranges.ts'

describe('parseByteRanges of a file of 1000 bytes', () => {
  test.each<[string, RangeAnswer]>([
    ['bytes=0-499', [{ first: 0, last: 499 }]],
    ['bytes=500-', [{ first: 500, last: 999 }]],
    ['bytes=-200', [{ first: 800, last: 999 }]],
    ['bytes=-5000', [{ first: 0, last: 999 }]],
    ['bytes=0-0', [{ first: 0, last: 0 }]],
    ['bytes=999-', [{ first: 999, last: 999 }]],
    ['bytes=990-99999999999999999999999', [{ first: 990, last: 999 }]],
    ['BYTES=1-2', [{ first: 1, last: 2 }]],
    [
      'bytes= 1-2 , ,5-6',
      [
        { first: 1, last: 2 },
        { first: 5, last: 6 },
      ],
    ],
    [
      'bytes=5-6,1-2',
      [
        { first: 5, last: 6 },
        { first: 1, last: 2 },
      ],
    ],
    ['bytes=1-2,2000-', [{ first: 1, last: 2 }]],
    [
      'bytes=0-9,5-14',
      [
        { first: 0, last: 9 },
        { first: 5, last: 14 },
      ],
    ],
    ['bytes=1000-', 'unsatisfiable'],
    ['bytes=-0', 'unsatisfiable'],
    ['bytes=99999999999999999999-', 'unsatisfiable'],
    ['bytes=1000-,2000-3000', 'unsatisfiable'],
    ['bytes=', 'ignored'],
    ['bytes=,', 'ignored'],
    ['bytes=-', 'ignored'],
    ['bytes', 'ignored'],
    ['', 'ignored'],
    ['items=0-1', 'ignored'],
    ['bytes=2-1', 'ignored'],
    ['bytes=a-b', 'ignored'],
    ['bytes=0x1-2', 'ignored'],
    ['bytes=+1-2', 'ignored'],
    ['bytes=1-2;3-4', 'ignored'],
    ['bytes=1-2-3', 'ignored'],
    ['bytes=--5', 'ignored'],
    ['bytes=1-2,oops', 'ignored'],
    ['bytes=0-,0-,0-', 'excessive'],
    ['bytes=0-99,50-149,100-199', 'excessive'],
    [`bytes=${Array.from({ length: 17 }, (_, i) => `${i * 10}-${i * 10 + 1}`).join()}`, 'excessive'],
    [`bytes=${'0-,'.repeat(2000)}`, 'excessive'],
  ])('%.60s', (header, expected) => {
    expect(parseByteRanges(header, 1000)).toEqual(expected)
  })

  test('sixteen ranges that lie apart are served', () => {
    const header = `bytes=${Array.from({ length: 16 }, (_, i) => `${i * 10}-${i * 10 + 1}`).join()}`
    expect(parseByteRanges(header, 1000)).toHaveLength(16)
  })

  test('nothing of an empty file can be satisfied', () => {
    for (const header of ['bytes=0-', 'bytes=-1', 'bytes=0-0']) expect(parseByteRanges(header, 0)).toBe('unsatisfiable')
  })
})
