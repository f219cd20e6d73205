import { expect, test } from 'bun:test'
import fc from 'fast-check'
import { algorithmOf, blobPath, hexOf, makeDigest, parseDigest, parseDigestAlgorithm } from './digest.ts'

const hex64 = 'a0'.repeat(32)
const hex128 = '9f'.repeat(64)

test.each([`sha256:${hex64}`, `sha512:${hex128}`])('%s is a digest', (text) => {
  const digest = parseDigest(text)!
  expect(digest as string).toBe(text)
  expect(`${algorithmOf(digest)}:${hexOf(digest)}`).toBe(text)
  expect(makeDigest(algorithmOf(digest), hexOf(digest))).toBe(digest)
})

test.each([
  '',
  'sha256',
  'sha256:',
  hex64,
  `sha256:${hex64}0`,
  `sha256:${hex64.slice(1)}`,
  `sha256:${hex64.toUpperCase()}`,
  `sha256:${hex64.slice(1)}g`,
  `sha256:${hex64.slice(1)}\n`,
  `sha256:${'/'.repeat(64)}`,
  `sha256:${'.'.repeat(64)}`,
  `sha256:${'٣'.repeat(64)}`,
  ` sha256:${hex64}`,
  `SHA256:${hex64}`,
  `sha256-${hex64}`,
  `sha512:${hex64}`,
  `sha256:${hex128}`,
  `sha384:${'0'.repeat(96)}`,
  `sha1:${'0'.repeat(40)}`,
  `md5:${'0'.repeat(32)}`,
  `sha256+b64u:${hex64}`,
])('%j is none', (text) => {
  expect(parseDigest(text)).toBeUndefined()
})

test('whatever is taken has exactly the form of its algorithm', () => {
  const form = /^(?:sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$/
  const near = fc
    .tuple(
      fc.constantFrom('sha256', 'sha512', 'sha25', 'sha'),
      fc.constantFrom(':', '', '-'),
      fc.string({ unit: fc.constantFrom(...'0123456789abcdefAg./\n'), minLength: 60, maxLength: 130 }),
    )
    .map((parts) => parts.join(''))
  fc.assert(fc.property(fc.oneof(fc.string(), near), (text) => (parseDigest(text) !== undefined) === form.test(text)))
})

test('the path lies below the root and tells digests apart', () => {
  expect(blobPath(makeDigest('sha256', hex64))).toBe(`blobs/sha256/a0/${hex64}`)
  expect(blobPath(makeDigest('sha512', hex128))).toBe(`blobs/sha512/9f/${hex128}`)
})

test('algorithms by name; makeDigest throws for what no hasher gives', () => {
  expect(['sha256', 'sha512', 'SHA256', 'sha1', '', '__proto__'].map(parseDigestAlgorithm)).toEqual([
    'sha256',
    'sha512',
    ...Array(4).fill(undefined),
  ])
  expect(() => makeDigest('sha256', hex128)).toThrow('not a sha256 digest')
})
