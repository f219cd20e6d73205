// A pair of client prefix and blob as words of 32 bits, for tables of fixed size. No object and no text is made.

export function mix(h: number): number {
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return h ^ (h >>> 16)
}

function hexAt(text: string, i: number): number {
  const code = text.charCodeAt(i)
  return code < 58 ? code - 48 : code - 87
}

/** 32 of the digest's own bits. */
export function digestBits(digest: string, from: number): number {
  let bits = 0
  for (let i = from; i < from + 8; i++) bits = (bits << 4) | hexAt(digest, i)
  return bits
}
