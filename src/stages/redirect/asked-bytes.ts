import { parseRange, resolveRanges } from '#http/range.ts'

/** How many bytes of a blob a request asks for. */
export function askedBytes(range: string | undefined, sizeBytes: number): number {
  if (range === undefined) return sizeBytes
  const specs = parseRange(range)
  if (!specs) return sizeBytes
  let bytes = 0
  for (const { first, last } of resolveRanges(specs, sizeBytes)) bytes += last - first + 1
  return Math.min(bytes, sizeBytes)
}
