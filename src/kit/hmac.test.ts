import { expect, test } from 'bun:test'
import { hmacSha256 } from './hmac.ts'

const bytes = (hex: string) => new Uint8Array(Buffer.from(hex, 'hex'))

// RFC 4231, 4.3 and 4.7.
test.each([
  ['4a656665', 'what do ya want for nothing?', '5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843'],
  [
    'aa'.repeat(131),
    'Test Using Larger Than Block-Size Key - Hash Key First',
    '60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54',
  ],
])('key %s', (key, text, expected) => {
  expect(Buffer.from(hmacSha256(bytes(key), text), 'base64url').toString('hex')).toBe(expected)
})
