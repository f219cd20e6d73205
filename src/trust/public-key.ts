// Ed25519 public keys as TUF writes them, so that a key keeps its id when it moves into a TUF root.

import { createHash, createPublicKey, type KeyObject } from 'node:crypto'

export type PublicKey = {
  readonly keytype: 'ed25519'
  readonly scheme: 'ed25519'
  /** 64 hex digits: the 32 bytes of RFC 8032. */
  readonly keyval: { readonly public: string }
}

const hex64 = /^[0-9a-f]{64}$/

export function makePublicKey(hex: string): PublicKey {
  if (!hex64.test(hex)) throw new Error('an Ed25519 public key is 64 lower-case hex digits')
  return { keytype: 'ed25519', scheme: 'ed25519', keyval: { public: hex } }
}

export function publicKeyOf(key: KeyObject): PublicKey {
  const { crv, x } = key.export({ format: 'jwk' })
  if (crv !== 'Ed25519' || !x) throw new Error('not an Ed25519 key')
  return makePublicKey(Buffer.from(x, 'base64url').toString('hex'))
}

/** SHA-256 over the canonical JSON of the key (TUF 1.0 section 4.2). */
export function keyIdOf(key: PublicKey): string {
  const canonical = `{"keytype":"${key.keytype}","keyval":{"public":"${key.keyval.public}"},"scheme":"${key.scheme}"}`
  return createHash('sha256').update(canonical).digest('hex')
}

export function importPublicKey(key: PublicKey): KeyObject {
  const x = Buffer.from(key.keyval.public, 'hex').toString('base64url')
  return createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' })
}

/** The text of a public key's file, `<name>.pub.json`. */
export function encodePublicKey(key: PublicKey): string {
  return `${JSON.stringify({ keytype: key.keytype, scheme: key.scheme, keyval: { public: key.keyval.public } }, null, 2)}\n`
}

/** Undefined unless the text is one Ed25519 key and nothing else that could be taken for one. */
export function parsePublicKey(text: string): PublicKey | undefined {
  try {
    const { keytype, scheme, keyval } = JSON.parse(text)
    if (keytype !== 'ed25519' || scheme !== 'ed25519' || typeof keyval?.public !== 'string') return undefined
    const key = makePublicKey(keyval.public)
    importPublicKey(key)
    return key
  } catch {
    return undefined
  }
}
