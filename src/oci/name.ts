// Repository names and tags (distribution-spec "Pulling manifests").

export type RepositoryName = string & { readonly __brand: 'RepositoryName' }
export type Tag = string & { readonly __brand: 'Tag' }

/** The spec leaves 255 for host and name together; the name alone may have all of it here. */
export const maxNameLength = 255
export const maxTagLength = 128

const namePattern = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$/
const tagPattern = /^[a-zA-Z0-9_][a-zA-Z0-9._-]*$/

export function parseName(text: string): RepositoryName | undefined {
  return text.length <= maxNameLength && namePattern.test(text) ? (text as RepositoryName) : undefined
}

export function parseTag(text: string): Tag | undefined {
  return text.length <= maxTagLength && tagPattern.test(text) ? (text as Tag) : undefined
}
