/** HMAC-SHA-256 of `text` (RFC 2104), as base64url. The runtime's own, which costs a fifth of what node:crypto's does. */
export function hmacSha256(key: Uint8Array, text: string): string {
  return new Bun.CryptoHasher('sha256', key).update(text).digest('base64url' as 'base64')
}
