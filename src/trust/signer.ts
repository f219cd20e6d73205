// The one door to private keys: by file here; by an external command, a token or a process of its own elsewhere.

import type { PublicKey } from './public-key.ts'

/** As in TUF: `sig` is the hex of the signature over exactly the signed bytes. */
export type Signature = { readonly keyid: string; readonly sig: string }

export interface Signer {
  readonly keyId: string
  readonly publicKey: PublicKey
  /** The bytes must name their role themselves, so that a signature of one role is worth nothing in another.
   *  Throws SignerRefused when a higher version of the role was signed before; the same version may be signed again,
   *  because a publication that died between signing and renaming repeats itself. */
  sign(role: string, version: number, bytes: Uint8Array): Promise<Signature>
}

export class SignerRefused extends Error {
  override readonly name = 'SignerRefused'
}
