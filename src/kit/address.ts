// IP addresses and networks as four 32-bit words, parsed strictly and once. An IPv4-mapped IPv6 address is its IPv4 address.

/** IPv4 lies in `w0`; the other words are then 0. All words are unsigned. */
export type Address = {
  readonly family: 4 | 6
  readonly w0: number
  readonly w1: number
  readonly w2: number
  readonly w3: number
}

/** A network: the bits after `length` are 0. */
export type Cidr = { readonly address: Address; readonly length: number }

export const anyIpv4: Address = { family: 4, w0: 0, w1: 0, w2: 0, w3: 0 }

/** Four decimal numbers without leading zeros (some parsers read those as octal), as an unsigned word; -1 when it is not. */
function parseQuad(text: string, from: number): number {
  let word = 0
  let part = -1
  let dots = 0
  for (let i = from; i <= text.length; i++) {
    const c = i < text.length ? text.charCodeAt(i) : 46
    if (c === 46) {
      if (part < 0 || part > 255) return -1
      word = word * 256 + part
      part = -1
      dots++
      if (dots > 4) return -1
    } else if (c >= 48 && c <= 57) {
      if (part === 0) return -1
      part = part < 0 ? c - 48 : part * 10 + (c - 48)
      if (part > 255) return -1
    } else return -1
  }
  return dots === 4 ? word : -1
}

function hexValue(c: number): number {
  if (c >= 48 && c <= 57) return c - 48
  if (c >= 97 && c <= 102) return c - 87
  if (c >= 65 && c <= 70) return c - 55
  return -1
}

/** The eight groups of RFC 4291 section 2.2, `::` and a dotted tail included. */
function parseGroups(text: string): number[] | undefined {
  const groups: number[] = []
  let gap = -1
  let i = 0
  if (text.startsWith('::')) {
    gap = 0
    i = 2
  }
  while (i < text.length) {
    let value = 0
    let digits = 0
    const start = i
    for (; i < text.length; i++) {
      const digit = hexValue(text.charCodeAt(i))
      if (digit < 0) break
      if (++digits > 4) return undefined
      value = value * 16 + digit
    }
    if (i < text.length && text.charCodeAt(i) === 46) {
      const quad = parseQuad(text, start)
      if (quad < 0) return undefined
      groups.push(quad >>> 16, quad & 0xffff)
      i = text.length
      break
    }
    if (digits === 0) return undefined
    groups.push(value)
    if (groups.length > 8) return undefined
    if (i === text.length) break
    if (text.charCodeAt(i) !== 58) return undefined
    i++
    if (i === text.length) return undefined
    if (text.charCodeAt(i) === 58) {
      if (gap >= 0) return undefined
      gap = groups.length
      i++
    }
  }
  if (gap < 0) return groups.length === 8 ? groups : undefined
  if (groups.length > 7) return undefined
  groups.splice(gap, 0, ...new Array<number>(8 - groups.length).fill(0))
  return groups
}

function parseIpv6(text: string): Address | undefined {
  if (text.length < 2 || text.length > 45) return undefined
  const groups = parseGroups(text)
  if (!groups) return undefined
  const word = (i: number) => groups[i]! * 65536 + groups[i + 1]!
  const address: Address = { family: 6, w0: word(0), w1: word(2), w2: word(4), w3: word(6) }
  return isMapped(address) ? ipv4(address.w3) : address
}

function isMapped(address: Address): boolean {
  return address.w0 === 0 && address.w1 === 0 && address.w2 === 0xffff
}

/** The IPv4 address with this unsigned word. */
export function ipv4(word: number): Address {
  return { family: 4, w0: word, w1: 0, w2: 0, w3: 0 }
}

/** An address without brackets, port or zone; undefined when it is anything else. */
export function parseAddress(text: string): Address | undefined {
  if (text.includes(':')) return parseIpv6(text)
  const word = parseQuad(text, 0)
  return word < 0 ? undefined : ipv4(word)
}

function formatQuad(word: number): string {
  return `${word >>> 24}.${(word >>> 16) & 255}.${(word >>> 8) & 255}.${word & 255}`
}

/** The canonical text (RFC 5952 for IPv6). */
export function formatAddress(address: Address): string {
  if (address.family === 4) return formatQuad(address.w0)
  const groups = [address.w0, address.w1, address.w2, address.w3].flatMap((word) => [word >>> 16, word & 0xffff])
  let longest = 1
  let start = -1
  for (let i = 0; i < 8; i++) {
    let run = 0
    while (i + run < 8 && groups[i + run] === 0) run++
    if (run > longest) {
      longest = run
      start = i
    }
    i += run
  }
  const hex = (from: number, to: number) =>
    groups
      .slice(from, to)
      .map((group) => group.toString(16))
      .join(':')
  return start < 0 ? hex(0, 8) : `${hex(0, start)}::${hex(start + longest, 8)}`
}

export function bitsOf(family: 4 | 6): 32 | 128 {
  return family === 4 ? 32 : 128
}

/** The bits of one word that lie inside the first `length` bits of the address. */
function maskWord(length: number): number {
  return length <= 0 ? 0 : length >= 32 ? 0xffffffff : (0xffffffff << (32 - length)) >>> 0
}

/** The network of `length` bits around an address. */
export function networkOf(address: Address, length: number): Cidr {
  const { family, w0, w1, w2, w3 } = address
  const cut = (word: number, before: number) => (word & maskWord(length - before)) >>> 0
  return { address: { family, w0: cut(w0, 0), w1: cut(w1, 32), w2: cut(w2, 64), w3: cut(w3, 96) }, length }
}

export function isSameAddress(a: Address, b: Address): boolean {
  return a.family === b.family && a.w0 === b.w0 && a.w1 === b.w1 && a.w2 === b.w2 && a.w3 === b.w3
}

/** `address/length`, or an address alone, which is a network of one. Bits after the length make it undefined: it is a mistake. */
export function parseCidr(text: string): Cidr | undefined {
  const slash = text.indexOf('/')
  const before = slash < 0 ? text : text.slice(0, slash)
  const address = parseAddress(before)
  if (!address) return undefined
  if (slash < 0) return { address, length: bitsOf(address.family) }
  const digits = text.slice(slash + 1)
  if (!/^(0|[1-9][0-9]{0,2})$/.test(digits)) return undefined
  // The length of a mapped network counts from the start of the IPv6 address.
  const length = Number(digits) - (address.family === 4 && before.includes(':') ? 96 : 0)
  if (length < 0 || length > bitsOf(address.family)) return undefined
  const network = networkOf(address, length)
  return isSameAddress(network.address, address) ? network : undefined
}

export function formatCidr(cidr: Cidr): string {
  return `${formatAddress(cidr.address)}/${cidr.length}`
}

export function cidrHas(cidr: Cidr, address: Address): boolean {
  const { address: base, length } = cidr
  return (
    base.family === address.family &&
    ((base.w0 ^ address.w0) & maskWord(length)) === 0 &&
    ((base.w1 ^ address.w1) & maskWord(length - 32)) === 0 &&
    ((base.w2 ^ address.w2) & maskWord(length - 64)) === 0 &&
    ((base.w3 ^ address.w3) & maskWord(length - 96)) === 0
  )
}

/** Names the /24 (IPv4) or /48 (IPv6) of an address: one number, no two alike, safe as a key of a Map. */
export function prefixKey(address: Address): number {
  return address.family === 4 ? address.w0 >>> 8 : 2 ** 48 + address.w0 * 65536 + (address.w1 >>> 16)
}
