// One value of a query, without a URL object: the first one of that name, decoded.

/** Undefined: not there. A value that cannot be decoded is given as it came. */
export function queryValue(query: string, name: string): string | undefined {
  for (let start = 0; start < query.length; ) {
    const ampersand = query.indexOf('&', start)
    const end = ampersand < 0 ? query.length : ampersand
    if (query.startsWith(name, start)) {
      const after = start + name.length
      if (after === end) return ''
      if (query.charCodeAt(after) === 61) return decode(query.slice(after + 1, end))
    }
    start = end + 1
  }
  return undefined
}

function decode(text: string): string {
  if (!text.includes('%') && !text.includes('+')) return text
  try {
    return decodeURIComponent(text.replaceAll('+', ' '))
  } catch {
    return text
  }
}
