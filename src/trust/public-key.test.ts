import { describe, expect, test } from 'bun:test'
import { newPrivateKeyPem, parsePrivateKey, publicOf } from './private-key.ts'
import { encodePublicKey, keyIdOf, makePublicKey, parsePublicKey } from './public-key.ts'

describe('public keys', () => {
  test('survive their text', () => {
    const key = publicOf(parsePrivateKey(newPrivateKeyPem(), 'here'))
    expect(parsePublicKey(encodePublicKey(key))).toEqual(key)
  })

  test('have the id that TUF gives them', () => {
    const key = makePublicKey('fa472895c9756c2b9bcd1440bf867d0fa5c4edee79e9792fa9822be3dd6fcbb3')
    const canonical = `{"keytype":"ed25519","keyval":{"public":"${key.keyval.public}"},"scheme":"ed25519"}`
    expect(keyIdOf(key)).toBe(new Bun.CryptoHasher('sha256').update(canonical).digest('hex'))
  })

  test.each([
    '',
    'null',
    '{}',
    '[]',
    '{"keytype":"rsa","scheme":"ed25519","keyval":{"public":"00"}}',
    '{"keytype":"ed25519","scheme":"none","keyval":{"public":"00"}}',
    '{"keytype":"ed25519","scheme":"ed25519","keyval":{"public":7}}',
    '{"keytype":"ed25519","scheme":"ed25519","keyval":{"public":"abcd"}}',
  ])('%p is none', (text) => {
    expect(parsePublicKey(text)).toBeUndefined()
  })
})
