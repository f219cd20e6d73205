/** HMAC-SHA-256 of `text` (RFC 2104). The runtime's own, which costs half of what node:crypto's does. */
export function hmacSha256(key: Uint8Array, text: string): Uint8Array {
  return new Bun.CryptoHasher('sha256', key).update(text).digest()
}
