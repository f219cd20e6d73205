import { parseRange, resolveRanges } from '#http/range.ts'
import { shapeOf } from './asks.ts'

/** What containerd reads of each of its parallel parts, whose ranges are open. */
const openPartBytes = 8 * 1024 * 1024

/** How much of a blob a client will fetch that asks for `range`, as a header value. */
export function askedBytes(range: string | undefined, sizeBytes: number): number {
  if (range === undefined) return sizeBytes
  const specs = parseRange(range)
  if (!specs) return sizeBytes
  const bytes = resolveRanges(specs, sizeBytes).reduce((sum, { first, last }) => sum + last - first + 1, 0)
  const isOpenPart = specs.some((spec) => spec.first !== undefined && spec.last === undefined)
  return isOpenPart && shapeOf(range) === 'part' ? Math.min(bytes, openPartBytes) : bytes
}
