// What a token may do, as data. A grant names repositories by a pattern or a part of the control API.

import { RegistryError } from '#oci/errors.ts'
import { parseName } from '#oci/name.ts'

export const repositoryActions = ['pull', 'push', 'delete'] as const
export type RepositoryAction = (typeof repositoryActions)[number]

export const apiActions = ['read', 'promote', 'publish', 'hosts', 'check-in', 'tokens'] as const
export type ApiAction = (typeof apiActions)[number]

export type Grant =
  | { readonly kind: 'repository'; readonly pattern: string; readonly actions: readonly RepositoryAction[] }
  | { readonly kind: 'api'; readonly actions: readonly ApiAction[] }

/** `**` is every repository, `a/**` every one below a/, anything else exactly that name. */
export function matchesPattern(pattern: string, name: string): boolean {
  if (pattern === '**') return true
  if (pattern.endsWith('/**')) return name.startsWith(pattern.slice(0, -2))
  return pattern === name
}

function isPattern(text: string): boolean {
  if (text === '**') return true
  return parseName(text.endsWith('/**') ? text.slice(0, -3) : text) !== undefined
}

/** `repository:fedora/**:pull,push` or `api:promote,publish`. Throws RegistryError REQUEST_INVALID. */
export function parseGrant(text: string): Grant {
  const [kind, ...rest] = text.split(':')
  if (kind === 'repository' && rest.length === 2) {
    const [pattern, actions] = rest as [string, string]
    if (!isPattern(pattern)) {
      throw new RegistryError(
        'REQUEST_INVALID',
        `${JSON.stringify(pattern)} is neither a repository name, nor a name followed by /**, nor **`,
      )
    }
    return { kind, pattern, actions: parseActions(actions, repositoryActions) }
  }
  if (kind === 'api' && rest.length === 1) return { kind, actions: parseActions(rest[0]!, apiActions) }
  throw new RegistryError(
    'REQUEST_INVALID',
    `${JSON.stringify(text)} is no grant: write repository:<pattern>:<actions> or api:<actions>`,
  )
}

export function formatGrant(grant: Grant): string {
  return grant.kind === 'api'
    ? `api:${grant.actions.join(',')}`
    : `repository:${grant.pattern}:${grant.actions.join(',')}`
}

function parseActions<const A extends string>(text: string, known: readonly A[]): A[] {
  const actions = text.split(',')
  for (const action of actions) {
    if (!known.includes(action as A)) {
      throw new RegistryError('REQUEST_INVALID', `${JSON.stringify(action)} is no action here: use ${known.join(', ')}`)
    }
  }
  return actions as A[]
}
