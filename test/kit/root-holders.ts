// Holders of offline root keys, for tests: keys in memory, and signatures over any root.

import { type KeyObject, sign } from 'node:crypto'
import type { Metadata, Root } from '@tufjs/models'
import { signedBytes, withSignatures } from '#trust/metadata-bytes.ts'
import { newPrivateKeyPem, parsePrivateKey, publicOf } from '#trust/private-key.ts'
import { keyIdOf, type PublicKey } from '#trust/public-key.ts'
import type { Signature } from '#trust/signer.ts'

export class RootHolder {
  readonly #key: KeyObject = parsePrivateKey(newPrivateKeyPem(), 'a holder')
  readonly publicKey: PublicKey = publicOf(this.#key)
  readonly id: string = keyIdOf(this.publicKey)

  signature(root: Metadata<Root>): Signature {
    return { keyid: this.id, sig: sign(null, signedBytes(root), this.#key).toString('hex') }
  }

  /** A copy with this signature beside those that it has. */
  sign(root: Metadata<Root>): Metadata<Root> {
    const others = Object.values(root.signatures).map(({ keyID, sig }) => ({ keyid: keyID, sig }))
    return withSignatures(root, [...others, this.signature(root)])
  }
}

export function makeHolders(count: number): RootHolder[] {
  return Array.from({ length: count }, () => new RootHolder())
}
