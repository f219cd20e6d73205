// 401 and what to ask for (RFC 6750 section 3, in the form of distribution's token spec).

import type { Need } from '#access/decide.ts'
import { formatScope } from '#access/registry-token.ts'
import { type Answer, refuse } from '#http/answer.ts'
import { parseName } from '#oci/name.ts'
import type { RegistryOptions } from './push-stores.ts'

export type RegistryNeed = Exclude<Need, { kind: 'api' }>

const details = {
  missing: 'log in, or ask for a token with this scope',
  invalid_token: 'the credentials are unknown, expired or revoked',
  insufficient_scope: 'the token was not issued for this: ask for one with this scope',
}

export function challenge(
  { realm, service }: Pick<RegistryOptions, 'realm' | 'service'>,
  needs: readonly RegistryNeed[],
  why: keyof typeof details,
): Answer {
  const scope = needs.map(scopeOf).filter(Boolean).join(' ')
  const parts = [
    `Bearer realm="${realm}"`,
    `service="${service}"`,
    ...(scope ? [`scope="${scope}"`] : []),
    ...(why === 'missing' ? [] : [`error="${why}"`]),
  ]
  return refuse('UNAUTHORIZED', details[why], { headers: { 'www-authenticate': parts.join(',') } })
}

/** Empty for what is no repository name: nothing else may reach the header. */
function scopeOf(need: RegistryNeed): string {
  if (need.kind === 'catalog') return formatScope(need)
  if (!parseName(need.name)) return ''
  const actions = need.action === 'push' ? (['pull', 'push'] as const) : [need.action]
  return formatScope({ kind: 'repository', name: need.name, actions })
}
