import { type Digest, type DigestAlgorithm, makeDigest } from '#oci/digest.ts'

export type DigestHasher = { update(bytes: Uint8Array): void; digest(): Digest }

export function openHasher(algorithm: DigestAlgorithm): DigestHasher {
  const hasher = new Bun.CryptoHasher(algorithm)
  return {
    update: (bytes) => void hasher.update(bytes),
    digest: () => makeDigest(algorithm, hasher.digest('hex')),
  }
}

export function digestOf(bytes: Uint8Array | string, algorithm: DigestAlgorithm = 'sha256'): Digest {
  return makeDigest(algorithm, Bun.CryptoHasher.hash(algorithm, bytes, 'hex'))
}
