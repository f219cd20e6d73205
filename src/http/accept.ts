// Accept as registries need it: which media types a client takes. Of quality values only 0 counts, which refuses: clients list what
// they understand, and a manifest is never transformed.

function isSpace(code: number): boolean {
  return code === 32 || code === 9
}

/**
 * Whether `header` (repeated ones joined by commas) takes `mediaType`, which is lower case. A missing or empty one takes everything.
 * The most specific range that fits decides (RFC 9110, 12.5.1). It makes no list: the front door asks this once per manifest.
 */
export function accepts(header: string | undefined, mediaType: string): boolean {
  if (header === undefined || header.trim() === '') return true
  let closest = 0
  let isTaken = false
  for (let start = 0; start < header.length; ) {
    const comma = header.indexOf(',', start)
    const end = comma < 0 ? header.length : comma
    const semicolon = header.indexOf(';', start)
    const last = semicolon >= 0 && semicolon < end ? semicolon : end
    const fit = closenessOf(header, start, last, mediaType)
    if (fit > 0 && fit >= closest) {
      const takes = last === end || !isRefused(header.slice(last + 1, end))
      if (takes && fit === exact) return true
      isTaken = takes || (fit === closest && isTaken)
      closest = fit
    }
    start = end + 1
  }
  return isTaken
}

const exact = 3

/** 3: the type itself, 2: its kind, 1: anything, 0: another type. */
function closenessOf(header: string, start: number, last: number, mediaType: string): number {
  while (start < last && isSpace(header.charCodeAt(start))) start++
  while (last > start && isSpace(header.charCodeAt(last - 1))) last--
  if (header.startsWith(mediaType, start) && last - start === mediaType.length) return exact
  const range = header.slice(start, last).toLowerCase()
  if (range === '*/*') return 1
  if (range === mediaType) return exact
  return range.endsWith('/*') && mediaType.startsWith(range.slice(0, -1)) ? 2 : 0
}

function isRefused(parameters: string): boolean {
  return parameters.split(';').some((one) => /^\s*q\s*=\s*0(?:\.0*)?\s*$/i.test(one))
}
