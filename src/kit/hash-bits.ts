// Words of 32 bits to find places and to draw by. No object and no text is made.

/** murmur3's finalizer: every bit of the input reaches every bit of the output. Signed. */
export function mix(h: number): number {
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return h ^ (h >>> 16)
}

function hexAt(text: string, i: number): number {
  const code = text.charCodeAt(i)
  return code < 58 ? code - 48 : code - 87
}

/** 32 of the digest's own bits, which are as random as any hash of it: the eight hex digits from there on. */
export function digestBits(text: string, from: number): number {
  let bits = 0
  for (let i = from; i < from + 8; i++) bits = (bits << 4) | hexAt(text, i)
  return bits
}
