import { type Digest, parseDigest } from '#oci/digest.ts'
import { RegistryError } from '#oci/errors.ts'

/** Throws DIGEST_INVALID. */
export function requireDigest(text: string): Digest {
  const digest = parseDigest(text)
  if (digest) return digest
  throw new RegistryError('DIGEST_INVALID', 'a digest is sha256:<64 hex digits> or sha512:<128 hex digits>')
}
