// The Range header (RFC 9110 section 14), exact about what is ignored, what cannot be satisfied and what is too much.

import type { ByteRange } from '#blobs/blob-store.ts'

/** ignored: another unit or no ranges at all: the whole is sent. unsatisfiable, excessive: 416. */
export type RangeAnswer = readonly ByteRange[] | 'ignored' | 'unsatisfiable' | 'excessive'

const maxRanges = 16
/** Two overlapping ranges may be a client's habit; more are a storm that multiplies our bytes. */
const maxOverlaps = 1
const maxHeaderLength = 1024
const specPattern = /^([0-9]*)-([0-9]*)$/

/** Ranges in the order asked, cut at the end of the file; those that lie behind it are left out. */
export function parseByteRanges(header: string, sizeBytes: number): RangeAnswer {
  const equals = header.indexOf('=')
  if (equals < 0 || header.slice(0, equals).trim().toLowerCase() !== 'bytes') return 'ignored'
  if (header.length > maxHeaderLength) return 'excessive'
  const specs = header
    .slice(equals + 1)
    .split(',')
    .map((spec) => spec.trim())
    .filter(Boolean)
  if (specs.length === 0) return 'ignored'
  if (specs.length > maxRanges) return 'excessive'
  const ranges: ByteRange[] = []
  for (const spec of specs) {
    const match = specPattern.exec(spec)
    if (!match || spec === '-') return 'ignored'
    const range = match[1] === '' ? suffixRange(Number(match[2]), sizeBytes) : openOrClosed(match, sizeBytes)
    if (range === 'ignored') return 'ignored'
    if (range) ranges.push(range)
  }
  if (ranges.length === 0) return 'unsatisfiable'
  return countOverlaps(ranges) > maxOverlaps ? 'excessive' : ranges
}

function suffixRange(length: number, sizeBytes: number): ByteRange | undefined {
  if (length === 0 || sizeBytes === 0) return undefined
  return { first: Math.max(0, sizeBytes - length), last: sizeBytes - 1 }
}

function openOrClosed(match: RegExpExecArray, sizeBytes: number): ByteRange | 'ignored' | undefined {
  const first = Number(match[1])
  const last = match[2] === '' ? Number.POSITIVE_INFINITY : Number(match[2])
  if (last < first) return 'ignored'
  if (first >= sizeBytes) return undefined
  return { first, last: Math.min(last, sizeBytes - 1) }
}

function countOverlaps(ranges: readonly ByteRange[]): number {
  const sorted = ranges.toSorted((a, b) => a.first - b.first)
  let overlaps = 0
  let reached = -1
  for (const { first, last } of sorted) {
    if (first <= reached) overlaps++
    reached = Math.max(reached, last)
  }
  return overlaps
}
