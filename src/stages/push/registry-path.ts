// The paths of the distribution spec, read from their end: a repository may itself be called `a/blobs/b`.

export type RegistryPath = { readonly kind: 'token' } | { readonly kind: 'ping' | 'catalog' } | RepositoryPath

export type RepositoryPath =
  | { readonly kind: 'tags' | 'uploads'; readonly name: string }
  | { readonly kind: 'blob' | 'upload' | 'manifest' | 'referrers'; readonly name: string; readonly last: string }

const kindBefore = [
  ['/blobs/uploads', 'upload'],
  ['/blobs', 'blob'],
  ['/manifests', 'manifest'],
  ['/referrers', 'referrers'],
] as const

/** `name` and `last` are as they stand in the path: their grammar is the caller's to check. Undefined: no such endpoint. */
export function parseRegistryPath(path: string): RegistryPath | undefined {
  if (path === '/v2/' || path === '/v2') return { kind: 'ping' }
  if (path === '/v2/_catalog') return { kind: 'catalog' }
  if (path === '/token') return { kind: 'token' }
  if (!path.startsWith('/v2/')) return undefined
  const rest = path.slice(4)
  if (rest.endsWith('/tags/list')) return { kind: 'tags', name: rest.slice(0, -'/tags/list'.length) }
  if (rest.endsWith('/blobs/uploads/')) return { kind: 'uploads', name: rest.slice(0, -'/blobs/uploads/'.length) }
  if (rest.endsWith('/blobs/uploads')) return { kind: 'uploads', name: rest.slice(0, -'/blobs/uploads'.length) }
  const slash = rest.lastIndexOf('/')
  if (slash < 0) return undefined
  const before = rest.slice(0, slash)
  for (const [ending, kind] of kindBefore) {
    if (before.endsWith(ending))
      return { kind, name: before.slice(0, -ending.length), last: unescapeColon(rest.slice(slash + 1)) }
  }
  return undefined
}

/** Some clients escape the colon of a digest; nothing else in a reference may be escaped. */
function unescapeColon(text: string): string {
  return text.includes('%') ? text.replace(/%3a/gi, ':') : text
}
