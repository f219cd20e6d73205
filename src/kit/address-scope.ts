// What an address is for (IANA special-purpose registries), so that nobody's URL makes us speak to our own machines.

import type { Address } from './address.ts'

/** `metadata`: where clouds hand out credentials; `shared`: carrier NAT; `reserved`: documentation, tests, the future. */
export type AddressScope =
  | 'global'
  | 'loopback'
  | 'private'
  | 'shared'
  | 'link-local'
  | 'metadata'
  | 'multicast'
  | 'unspecified'
  | 'reserved'

// network, length, scope: the first match counts.
const ipv4Scopes: readonly (readonly [number, number, AddressScope])[] = [
  [0xa9fea9fe, 32, 'metadata'], // 169.254.169.254
  [0xa9feaa02, 32, 'metadata'], // 169.254.170.2, containers of one cloud
  [0x646464c8, 32, 'metadata'], // 100.100.100.200
  [0xc00000c0, 32, 'metadata'], // 192.0.0.192
  [0xa83f8110, 32, 'metadata'], // 168.63.129.16
  [0x00000000, 8, 'unspecified'],
  [0x0a000000, 8, 'private'],
  [0x64400000, 10, 'shared'],
  [0x7f000000, 8, 'loopback'],
  [0xa9fe0000, 16, 'link-local'],
  [0xac100000, 12, 'private'],
  [0xc0000000, 24, 'reserved'],
  [0xc0000200, 24, 'reserved'],
  [0xc0586300, 24, 'reserved'],
  [0xc0a80000, 16, 'private'],
  [0xc6120000, 15, 'reserved'],
  [0xc6336400, 24, 'reserved'],
  [0xcb007100, 24, 'reserved'],
  [0xe0000000, 4, 'multicast'],
  [0xf0000000, 4, 'reserved'],
]

function ipv4Scope(word: number): AddressScope {
  for (const [network, length, scope] of ipv4Scopes) {
    if ((word ^ network) >>> (32 - length) === 0) return scope
  }
  return 'global'
}

function ipv6Scope({ w0, w1, w2, w3 }: Address): AddressScope {
  if (w0 === 0 && w1 === 0 && w2 === 0) return w3 === 0 ? 'unspecified' : w3 === 1 ? 'loopback' : 'reserved'
  // Translated addresses (NAT64, 6to4) are what they carry.
  if (w0 === 0x0064ff9b && w1 === 0 && w2 === 0) return ipv4Scope(w3)
  if (w0 >>> 16 === 0x2002) return ipv4Scope((((w0 & 0xffff) << 16) | (w1 >>> 16)) >>> 0)
  if (w0 === 0xfd000ec2 && w1 === 0 && w2 === 0 && w3 === 0x254) return 'metadata'
  if (w0 >>> 25 === 0xfc >>> 1) return 'private'
  if (w0 >>> 22 === 0xfe80 >>> 6) return 'link-local'
  if (w0 >>> 22 === 0xfec0 >>> 6) return 'private'
  if (w0 >>> 24 === 0xff) return 'multicast'
  const isUnicast = w0 >>> 29 === 1
  const isTaken = w0 >>> 9 === 0x2001_0000 >>> 9 || w0 === 0x20010db8 || w0 >>> 12 === 0x3fff0
  return isUnicast && !isTaken ? 'global' : 'reserved'
}

export function scopeOf(address: Address): AddressScope {
  return address.family === 4 ? ipv4Scope(address.w0) : ipv6Scope(address)
}
