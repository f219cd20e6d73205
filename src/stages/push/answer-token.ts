// The token endpoint (distribution: docs/spec/auth/token.md for GET, oauth.md for POST).

import { type Caller, judge } from '#access/authenticate.ts'
import { parseScope, type Scope } from '#access/registry-token.ts'
import { type Answer, type Ask, refuse } from '#http/answer.ts'
import { parseName } from '#oci/name.ts'
import { refuseMethod } from './allowed-methods.ts'
import type { RegistryOptions } from './push-stores.ts'
import { readBody } from './read-body.ts'

const maxFormBytes = 16 << 10
const maxScopes = 64

export async function answerToken(ask: Ask, options: RegistryOptions, isAdminAllowed: boolean): Promise<Answer> {
  if (ask.method === 'GET') {
    const authorization = ask.header('authorization')
    const caller = authorization?.toLowerCase().startsWith('basic ')
      ? await options.authenticator.authenticate(authorization, isAdminAllowed)
      : undefined
    if (!caller) return refuseLogin(options, authorization !== undefined)
    return await issue(caller, new URLSearchParams(ask.query).getAll('scope'), options)
  }
  if (ask.method !== 'POST') return refuseMethod('token')
  const form = new URLSearchParams(new TextDecoder().decode(await readBody(ask, maxFormBytes, 'REQUEST_INVALID')))
  if (form.get('grant_type') !== 'password') {
    return refuse('UNSUPPORTED', 'only grant_type=password is served: no refresh tokens are issued', { status: 400 })
  }
  const caller = await options.authenticator.login(
    form.get('username') ?? '',
    form.get('password') ?? '',
    isAdminAllowed,
  )
  return caller ? await issue(caller, form.getAll('scope'), options) : refuseLogin(options, true)
}

function refuseLogin(options: RegistryOptions, isWrong: boolean): Answer {
  return refuse(
    'UNAUTHORIZED',
    isWrong
      ? 'the user name or the token is unknown, expired or revoked'
      : 'this registry issues no tokens to strangers',
    {
      headers: { 'www-authenticate': `Basic realm="${options.service}"` },
    },
  )
}

async function issue(caller: Caller, scopeTexts: readonly string[], options: RegistryOptions): Promise<Answer> {
  const asked = scopeTexts.flatMap((text) => text.split(' ')).filter((text) => text !== '')
  if (asked.length > maxScopes) return refuse('REQUEST_INVALID', `at most ${maxScopes} scopes fit in one token`)
  const scopes = asked.flatMap((text): Scope[] => {
    const scope = parseScope(text)
    if (scope?.kind === 'catalog') return [scope]
    const name = scope && parseName(scope.name)
    if (!name) return []
    const actions = scope.actions.filter((action) => judge(caller, { kind: 'repository', name, action }) === 'yes')
    return actions.length > 0 ? [{ kind: 'repository', name, actions }] : []
  })
  const nowMs = options.now()
  const token = await options.tokens.sign({ subject: caller.subject, scopes }, options.tokenLifetimeMs, nowMs)
  return {
    status: 200,
    headers: { 'content-type': 'application/json', 'cache-control': 'no-store' },
    body: JSON.stringify({
      token,
      access_token: token,
      expires_in: Math.floor(options.tokenLifetimeMs / 1000),
      issued_at: new Date(nowMs).toISOString(),
    }),
  }
}
