// Range and If-Range (RFC 9110, 14.2 and 13.1.5).

/** Inclusive. One of the two is given: `first` alone is open (`5-`), `last` alone counts from the end (`-5`). */
export type RangeSpec =
  | { readonly first: number; readonly last: number | undefined }
  | { readonly first: undefined; readonly suffix: number }

export type BytesRange = { readonly first: number; readonly last: number }

/** More than these are not parts of a file but an attack on it. */
const maxRanges = 64
const oneSpec = /^(?:(\d+)-(\d*)|-(\d+))$/

function parseSpec(text: string): RangeSpec | undefined {
  const match = oneSpec.exec(text)
  if (!match) return undefined
  // Positions past 2^53 are past the end of any file: the nearest number says the same.
  if (match[3] !== undefined) return { first: undefined, suffix: Number(match[3]) }
  const first = Number(match[1])
  return { first, last: match[2] === '' ? undefined : Number(match[2]) }
}

/** The ranges that were asked for; undefined when the header is missing or not well formed, which is served as if it were missing. */
export function parseRange(header: string | undefined): readonly RangeSpec[] | undefined {
  if (header === undefined || header.length < 8 || header.slice(0, 6).toLowerCase() !== 'bytes=') return undefined
  const parts = header.slice(6).split(',')
  if (parts.length > maxRanges) return undefined
  const specs: RangeSpec[] = []
  for (const part of parts) {
    const text = part.trim()
    if (text === '') continue
    const spec = parseSpec(text)
    if (!spec) return undefined
    specs.push(spec)
  }
  return specs.length > 0 ? specs : undefined
}

/** Those that lie in the file, cut to it, in the order of the request; empty: none does (416). One that ends before it starts lies
 *  nowhere: RFC 9110 lets us reject it, and clients expect 416. */
export function resolveRanges(specs: readonly RangeSpec[], sizeBytes: number): readonly BytesRange[] {
  const ranges: BytesRange[] = []
  for (const spec of specs) {
    if (spec.first === undefined) {
      if (spec.suffix > 0 && sizeBytes > 0)
        ranges.push({ first: Math.max(0, sizeBytes - spec.suffix), last: sizeBytes - 1 })
    } else if (spec.first < sizeBytes && (spec.last === undefined || spec.last >= spec.first)) {
      ranges.push({ first: spec.first, last: Math.min(spec.last ?? sizeBytes - 1, sizeBytes - 1) })
    }
  }
  return ranges
}

/** What to send for these headers: everything, one part or several, or nothing because no range lies in the file. */
export function chooseRanges(
  sizeBytes: number,
  {
    range,
    ifRange,
    etag,
  }: { readonly range: string | undefined; readonly ifRange: string | undefined; readonly etag: string },
): 'all' | 'unsatisfiable' | readonly BytesRange[] {
  const specs = parseRange(range)
  if (!specs || !ifRangeHolds(ifRange, etag)) return 'all'
  const ranges = resolveRanges(specs, sizeBytes)
  if (ranges.length === 0) return 'unsatisfiable'
  // Parts that overlap would send more than the whole: then the whole is the better answer.
  const total = ranges.reduce((sum, { first, last }) => sum + last - first + 1, 0)
  return ranges.length > 1 && total > sizeBytes ? 'all' : ranges
}

/** Strong comparison: a weak tag or a date never matches, so a changed file is sent whole. */
export function ifRangeHolds(ifRange: string | undefined, etag: string): boolean {
  return ifRange === undefined || ifRange.trim() === etag
}

/** If-None-Match against one strong etag, by the weak comparison that the header asks for. */
export function ifNoneMatchHits(header: string | undefined, etag: string): boolean {
  if (header === undefined) return false
  if (header.trim() === '*') return true
  for (let at = header.indexOf(etag); at >= 0; at = header.indexOf(etag, at + 1)) {
    const before = header.slice(0, at).trimEnd()
    const after = header.slice(at + etag.length).trimStart()
    if (
      (after === '' || after.startsWith(',')) &&
      (before === '' || before.endsWith(',') || /(?:^|,\s*)W\/$/.test(before))
    )
      return true
  }
  return false
}
