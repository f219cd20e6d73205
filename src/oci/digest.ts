// Digests (OCI image-spec descriptor.md#digests): `algorithm:hex`, made only by parseDigest.

export type Digest = string & { readonly __brand: 'Digest' }
export const digestAlgorithms = ['sha256', 'sha512'] as const
export type DigestAlgorithm = (typeof digestAlgorithms)[number]

const hexLength = { sha256: 64, sha512: 128 } as const satisfies Record<DigestAlgorithm, number>

function isLowerHex(text: string, from: number): boolean {
  for (let i = from; i < text.length; i++) {
    const c = text.charCodeAt(i)
    if (!((c >= 48 && c <= 57) || (c >= 97 && c <= 102))) return false
  }
  return true
}

/** A digest of a registered algorithm with exactly its number of lower-case hex digits; anything else is undefined. */
export function parseDigest(text: string): Digest | undefined {
  if (text.length === 71 && text.startsWith('sha256:')) return isLowerHex(text, 7) ? (text as Digest) : undefined
  if (text.length === 135 && text.startsWith('sha512:')) return isLowerHex(text, 7) ? (text as Digest) : undefined
  return undefined
}

export function parseDigestAlgorithm(text: string): DigestAlgorithm | undefined {
  return digestAlgorithms.find((algorithm) => algorithm === text)
}

export function makeDigest(algorithm: DigestAlgorithm, hex: string): Digest {
  const digest = parseDigest(`${algorithm}:${hex}`)
  if (!digest) throw new Error(`not a ${algorithm} digest of ${hexLength[algorithm]} hex digits: ${hex}`)
  return digest
}

export function algorithmOf(digest: Digest): DigestAlgorithm {
  return digest.charCodeAt(3) === 50 ? 'sha256' : 'sha512'
}

export function hexOf(digest: Digest): string {
  return digest.slice(7)
}

/** The path below any blob root: `blobs/sha256/ab/<hex>`, the same in the store and in the published tree. */
export function blobPath(digest: Digest): string {
  const hex = hexOf(digest)
  return `blobs/${algorithmOf(digest)}/${hex.slice(0, 2)}/${hex}`
}
