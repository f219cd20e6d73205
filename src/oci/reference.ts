import { type Digest, parseDigest } from './digest.ts'
import { parseName, parseTag, type RepositoryName, type Tag } from './name.ts'

/** What stands after `/manifests/`: a digest if it has a colon, else a tag. */
export type Reference =
  | { readonly kind: 'tag'; readonly tag: Tag }
  | { readonly kind: 'digest'; readonly digest: Digest }

export function parseReference(text: string): Reference | undefined {
  if (text.includes(':')) {
    const digest = parseDigest(text)
    return digest && { kind: 'digest', digest }
  }
  const tag = parseTag(text)
  return tag && { kind: 'tag', tag }
}

export type ImageReference = { readonly name: RepositoryName; readonly reference: Reference }

/** `repo`, `repo:tag`, `repo@digest` or `repo:tag@digest` (the digest wins, as docker does it); without either, `latest`. */
export function parseImageReference(text: string): ImageReference | undefined {
  const at = text.indexOf('@')
  const digest = at < 0 ? undefined : parseDigest(text.slice(at + 1))
  if (at >= 0 && !digest) return undefined
  const rest = at < 0 ? text : text.slice(0, at)
  const colon = rest.lastIndexOf(':')
  const name = parseName(colon < 0 ? rest : rest.slice(0, colon))
  const tag = parseTag(colon < 0 ? 'latest' : rest.slice(colon + 1))
  if (!name || !tag) return undefined
  return { name, reference: digest ? { kind: 'digest', digest } : { kind: 'tag', tag } }
}
