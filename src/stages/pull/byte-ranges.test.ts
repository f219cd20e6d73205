import { describe, expect, test } from 'bun:test'
import { chooseByteRanges, type RangeAnswer } from './byte-ranges.ts'

const apart = (count: number) => `bytes=${Array.from({ length: count }, (_, i) => `${i * 10}-${i * 10 + 1}`).join()}`

describe('chooseByteRanges of a file of 1000 bytes', () => {
  test.each<[string, RangeAnswer]>([
    ['bytes=500-', [{ first: 500, last: 999 }]],
    ['bytes=-5000', [{ first: 0, last: 999 }]],
    ['bytes=5-6,1-2', [5, 1].map((first) => ({ first, last: first + 1 }))],
    ['bytes=1-2,2000-', [{ first: 1, last: 2 }]],
    ['bytes=0-9,5-14', [0, 5].map((first) => ({ first, last: first + 9 }))],
    ['bytes=1000-', 'unsatisfiable'],
    ['bytes=-0', 'unsatisfiable'],
    ['items=0-1', 'ignored'],
    ['bytes=2-1', 'unsatisfiable'],
    ['bytes=1-2,oops', 'ignored'],
    ['bytes=0-,0-,0-', 'excessive'],
    ['bytes=0-99,50-149,100-199', 'excessive'],
    [apart(17), 'excessive'],
  ])('%.60s', (header, expected) => {
    expect(chooseByteRanges(header, 1000)).toEqual(expected)
  })

  test('sixteen ranges that lie apart are served', () => {
    expect(chooseByteRanges(apart(16), 1000)).toHaveLength(16)
  })
})
