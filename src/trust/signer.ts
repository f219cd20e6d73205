// The one door to private keys: by file here; by an external command or a process of its own elsewhere.

import type { PublicKey } from './public-key.ts'
import type { TrustRole } from './signed-document.ts'

/** As in TUF: `sig` is the hex of the signature over exactly the signed bytes. */
export type Signature = { readonly keyid: string; readonly sig: string }

export interface Signer {
  /** Undefined: it holds no key of that role (an offline root). */
  findKey(role: TrustRole): Promise<PublicKey | undefined>
  /** The highest version that the present key of the role signed; 0: none. `scope`: the channel, or `root`. */
  highestVersion(role: TrustRole, scope: string): Promise<number>
  /** Signs the canonical JSON of a `signed` part with the key of the role that it names. Throws SignerRefused when this key signed
   *  a higher version or generation before; the same version may be signed again, because a publication that died between
   *  signing and renaming repeats itself. */
  sign(bytes: Uint8Array): Promise<Signature>
}
