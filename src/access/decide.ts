// The one place that says yes or no. Pure: who asks and what for, nothing else.

import { type ApiAction, type Grant, matchesPattern, type RepositoryAction } from './grants.ts'

export type Identity = {
  readonly kind: 'admin' | 'robot'
  /** As it stands in the log of acts. */
  readonly name: string
  readonly grants: readonly Grant[]
}

export type Need =
  | { readonly kind: 'repository'; readonly name: string; readonly action: RepositoryAction }
  | {
      readonly kind: 'api'
      readonly action: ApiAction
      /** For this host; undefined: for all of them. */
      readonly host?: string
    }
  /** To ask for the list of repositories at all; what it shows is what the asker may pull. */
  | { readonly kind: 'catalog' }

export function decide(identity: Identity, need: Need): boolean {
  if (identity.kind === 'admin' || need.kind === 'catalog') return true
  return identity.grants.some((grant) =>
    need.kind === 'repository'
      ? grant.kind === 'repository' && grant.actions.includes(need.action) && matchesPattern(grant.pattern, need.name)
      : grant.kind === 'api' &&
        grant.actions.includes(need.action) &&
        (grant.host === undefined || grant.host === need.host),
  )
}

/** Whether the identity may do all that a grant allows: nobody hands on more than they have. */
export function mayGrant(identity: Identity, grant: Grant): boolean {
  // A pattern covers a narrower one exactly as it covers a name.
  return grant.kind === 'api'
    ? grant.actions.every((action) =>
        decide(identity, { kind: 'api', action, ...(grant.host === undefined ? {} : { host: grant.host }) }),
      )
    : grant.actions.every((action) => decide(identity, { kind: 'repository', name: grant.pattern, action }))
}

export const adminIdentity: Identity = { kind: 'admin', name: 'admin', grants: [] }
