// What a token may do, as data. A grant names repositories by a pattern or a part of the control API.

import { RegistryError } from '#oci/errors.ts'
import { parseName } from '#oci/name.ts'

export const repositoryActions = ['pull', 'push', 'delete'] as const
export type RepositoryAction = (typeof repositoryActions)[number]

export const apiActions = ['read', 'promote', 'publish', 'hosts', 'check-in', 'tokens'] as const
export type ApiAction = (typeof apiActions)[number]

export type Grant =
  | { readonly kind: 'repository'; readonly pattern: string; readonly actions: readonly RepositoryAction[] }
  | {
      readonly kind: 'api'
      readonly actions: readonly ApiAction[]
      /** Only for this one; undefined: for every host. */
      readonly host?: string
    }

/** The one part of the API that can be given for a single host: what a volunteer's own machine does. */
const hostAction = 'check-in'
/** As hosts may be named; whether there is such a host is asked when it is used. */
const hostPattern = /^[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?$/

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

/** `repository:fedora/**:pull,push`, `api:promote,publish` or `api:check-in:<host>`. Throws RegistryError REQUEST_INVALID. */
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
  if (kind === 'api' && rest.length === 2) return parseHostGrant(text, rest as [string, string])
  throw new RegistryError(
    'REQUEST_INVALID',
    `${JSON.stringify(text)} is no grant: write repository:<pattern>:<actions>, api:<actions> or api:${hostAction}:<host>`,
  )
}

export function formatGrant(grant: Grant): string {
  const actions = grant.actions.join(',')
  if (grant.kind === 'repository') return `repository:${grant.pattern}:${actions}`
  return grant.host === undefined ? `api:${actions}` : `api:${actions}:${grant.host}`
}

function parseHostGrant(text: string, [actions, host]: readonly [string, string]): Grant {
  if (actions !== hostAction)
    throw new RegistryError('REQUEST_INVALID', `${JSON.stringify(text)}: only ${hostAction} is given for a single host`)
  if (!hostPattern.test(host))
    throw new RegistryError(
      'REQUEST_INVALID',
      `${JSON.stringify(host)} is no host name: write one like mirror.example.org`,
    )
  return { kind: 'api', actions: [hostAction], host }
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
