import { type KeyObject, verify } from 'node:crypto'
import { importPublicKey, keyIdOf, type PublicKey } from './public-key.ts'
import type { Signature } from './signer.ts'

/** Many signatures cost time to check: a document carries few. */
const maxSignatures = 16
const hex128 = /^[0-9a-f]{128}$/

/** Knows its own keys only: a key that comes with a document is never looked at, and the algorithm is the key's. */
export class Verifier {
  readonly #keys: ReadonlyMap<string, KeyObject>

  constructor(keys: readonly PublicKey[]) {
    this.#keys = new Map(keys.map((key) => [keyIdOf(key), importPublicKey(key)]))
  }

  get keyIds(): string[] {
    return [...this.#keys.keys()]
  }

  /** The id of one of our keys that signed exactly these bytes. */
  findSigner(bytes: Uint8Array, signatures: readonly Signature[]): string | undefined {
    for (const { keyid, sig } of signatures.slice(0, maxSignatures)) {
      const key = this.#keys.get(keyid)
      if (key && hex128.test(sig) && verify(null, bytes, key, Buffer.from(sig, 'hex'))) return keyid
    }
    return undefined
  }
}
