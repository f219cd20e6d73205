// What a path asks for, read from the raw text: nothing is decoded before it is known to be a reference, so no spelling of `..` or
// `/` can move a name.

export type Route =
  | { readonly kind: 'root' }
  | { readonly kind: 'catalog' }
  | { readonly kind: 'other' }
  | { readonly kind: 'tags'; readonly name: string }
  | { readonly kind: 'manifest'; readonly name: string; readonly reference: string }
  | { readonly kind: 'blob'; readonly name: string; readonly reference: string }
  | { readonly kind: 'referrers'; readonly name: string; readonly reference: string }
  /** A path of the published tree: where a host sends back a client that it has nothing for. */
  | { readonly kind: 'tree'; readonly path: string }

const prefix = '/v2/'
const root: Route = { kind: 'root' }
const catalog: Route = { kind: 'catalog' }
const other: Route = { kind: 'other' }

/** `sha256%3aab…` is how some clients write a digest. A sequence that cannot be decoded stays as it is, and then parses as nothing. */
function decodeReference(text: string): string {
  if (!text.includes('%')) return text
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

export function routeOf(path: string): Route {
  if (!path.startsWith(prefix)) {
    if (path.startsWith('/blobs/')) return { kind: 'tree', path: path.slice(1) }
    return path === '/v2' ? root : other
  }
  if (path.length === prefix.length) return root
  const slash = path.lastIndexOf('/')
  const last = path.slice(slash + 1)
  if (path.endsWith('/blobs', slash)) {
    return { kind: 'blob', name: path.slice(prefix.length, slash - 6), reference: decodeReference(last) }
  }
  if (path.endsWith('/manifests', slash)) {
    return { kind: 'manifest', name: path.slice(prefix.length, slash - 10), reference: decodeReference(last) }
  }
  if (last === 'list' && path.endsWith('/tags', slash)) {
    return { kind: 'tags', name: path.slice(prefix.length, slash - 5) }
  }
  if (path.endsWith('/referrers', slash)) {
    return { kind: 'referrers', name: path.slice(prefix.length, slash - 10), reference: decodeReference(last) }
  }
  return path === '/v2/_catalog' ? catalog : other
}
