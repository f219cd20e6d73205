// What signers throw.

/** A signature that must not be: older than what was signed, of a role without a key, over what is no metadata. */
export class SignerRefused extends Error {
  override readonly name = 'SignerRefused'
}

/** Whoever holds the keys did not answer, or answered what is none. */
export class SignerFailed extends Error {
  override readonly name = 'SignerFailed'
}
