// Which ranges of a file of the tree are sent. Two overlapping ones may be a client's habit; more, or many in all, are a storm
// that multiplies our bytes, and RFC 9110 (15.5.17) has a 416 for it.

import { type BytesRange, parseRange, resolveRanges } from '#http/range.ts'

const maxRanges = 16
const maxOverlaps = 1

/** ignored: the whole is sent. unsatisfiable, excessive: 416. */
export type RangeAnswer = readonly BytesRange[] | 'ignored' | 'unsatisfiable' | 'excessive'

export function chooseByteRanges(header: string, sizeBytes: number): RangeAnswer {
  const specs = parseRange(header)
  if (!specs) return 'ignored'
  if (specs.length > maxRanges) return 'excessive'
  const ranges = resolveRanges(specs, sizeBytes)
  if (ranges.length === 0) return 'unsatisfiable'
  return countOverlaps(ranges) > maxOverlaps ? 'excessive' : ranges
}

function countOverlaps(ranges: readonly BytesRange[]): number {
  let overlaps = 0
  let reached = -1
  for (const { first, last } of ranges.toSorted((a, b) => a.first - b.first)) {
    if (first <= reached) overlaps++
    reached = Math.max(reached, last)
  }
  return overlaps
}
