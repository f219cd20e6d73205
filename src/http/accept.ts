// Accept as registries need it: which media types a client takes. Quality values are not weighed (clients list what they understand,
// and a manifest is never transformed), so only `q=0` would matter, and nobody sends it.

function isSpace(code: number): boolean {
  return code === 32 || code === 9
}

/**
 * Whether `header` (repeated ones joined by commas) names `mediaType`, which is lower case. A missing or empty one takes everything.
 * It makes no list: the front door asks this once per manifest.
 */
export function accepts(header: string | undefined, mediaType: string): boolean {
  if (header === undefined || header.trim() === '') return true
  for (let start = 0; start < header.length; ) {
    const comma = header.indexOf(',', start)
    const end = comma < 0 ? header.length : comma
    if (takes(header, start, end, mediaType)) return true
    start = end + 1
  }
  return false
}

function takes(header: string, start: number, end: number, mediaType: string): boolean {
  const semicolon = header.indexOf(';', start)
  let last = semicolon >= 0 && semicolon < end ? semicolon : end
  while (start < last && isSpace(header.charCodeAt(start))) start++
  while (last > start && isSpace(header.charCodeAt(last - 1))) last--
  if (header.startsWith(mediaType, start) && last - start === mediaType.length) return true
  const range = header.slice(start, last).toLowerCase()
  if (range === '*/*' || range === mediaType) return true
  return range.endsWith('/*') && mediaType.startsWith(range.slice(0, -1))
}
