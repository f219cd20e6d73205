// Short-lived bearer tokens of the registry (distribution: docs/spec/auth/jwt.md; scopes: docs/spec/auth/scope.md).

import { decodeProtectedHeader, jwtVerify, SignJWT } from 'jose'
import { type RepositoryAction, repositoryActions } from './grants.ts'
import { type TokenKeys, tokenAlgorithm } from './token-keys.ts'

export type Scope =
  | { readonly kind: 'repository'; readonly name: string; readonly actions: readonly RepositoryAction[] }
  | { readonly kind: 'catalog' }

export type RegistryToken = {
  /** `admin` or the id of a robot. */
  readonly subject: string
  readonly scopes: readonly Scope[]
  readonly expiresAtMs: number
}

const issuer = 'flotilla'
const maxCached = 10_000

const catalogScope = 'registry:catalog:*'

/** `repository:<name>:<action>[,<action>]` or `registry:catalog:*`; other types and actions are dropped, as the spec lets a server do. */
export function parseScope(text: string): Scope | undefined {
  if (text === catalogScope) return { kind: 'catalog' }
  const first = text.indexOf(':')
  const last = text.lastIndexOf(':')
  if (last <= first || !/^repository(\([a-z]+\))?$/.test(text.slice(0, first))) return undefined
  const asked = text.slice(last + 1).split(',')
  const isAll = asked.includes('*')
  return {
    kind: 'repository',
    name: text.slice(first + 1, last),
    actions: repositoryActions.filter((action) => isAll || asked.includes(action)),
  }
}

export function formatScope(scope: Scope): string {
  return scope.kind === 'catalog' ? catalogScope : `repository:${scope.name}:${scope.actions.join(',')}`
}

export class RegistryTokens {
  readonly #keys: TokenKeys
  readonly #service: string
  /** Verifying costs far more than serving a manifest, and a client shows the same token for minutes. */
  readonly #verified = new Map<string, { readonly token: RegistryToken; readonly kid: string }>()

  constructor(keys: TokenKeys, service: string) {
    this.#keys = keys
    this.#service = service
  }

  async sign(token: { subject: string; scopes: readonly Scope[] }, lifetimeMs: number, nowMs: number): Promise<string> {
    const { kid, key } = this.#keys.signing
    const access = token.scopes.map((scope) =>
      scope.kind === 'catalog'
        ? { type: 'registry', name: 'catalog', actions: ['*'] }
        : { type: 'repository', name: scope.name, actions: scope.actions },
    )
    return await new SignJWT({ access })
      .setProtectedHeader({ alg: tokenAlgorithm, kid, typ: 'JWT' })
      .setIssuer(issuer)
      .setSubject(token.subject)
      .setAudience(this.#service)
      .setIssuedAt(Math.floor(nowMs / 1000))
      .setNotBefore(Math.floor(nowMs / 1000) - 5)
      .setExpirationTime(Math.ceil((nowMs + lifetimeMs) / 1000))
      .sign(key)
  }

  /** Undefined unless one of our live keys signed it, for us, and it has not run out. */
  async verify(text: string, nowMs: number): Promise<RegistryToken | undefined> {
    const known = this.#verified.get(text)
    if (known) {
      if (known.token.expiresAtMs > nowMs && this.#keys.find(known.kid)) return known.token
      this.#verified.delete(text)
      return undefined
    }
    try {
      const { kid } = decodeProtectedHeader(text)
      const key = this.#keys.find(kid)
      if (!key || kid === undefined) return undefined
      const { payload } = await jwtVerify(text, key, {
        algorithms: [tokenAlgorithm],
        audience: this.#service,
        issuer,
        requiredClaims: ['exp', 'sub'],
        currentDate: new Date(nowMs),
      })
      const token = { subject: payload.sub!, scopes: readAccess(payload.access), expiresAtMs: payload.exp! * 1000 }
      if (this.#verified.size >= maxCached) this.#verified.delete(this.#verified.keys().next().value!)
      this.#verified.set(text, { token, kid })
      return token
    } catch {
      return undefined
    }
  }
}

function readAccess(access: unknown): Scope[] {
  if (!Array.isArray(access)) return []
  return access.flatMap((one): Scope[] => {
    if (typeof one?.name !== 'string' || !Array.isArray(one.actions)) return []
    if (one.type === 'registry') return one.name === 'catalog' && one.actions.includes('*') ? [{ kind: 'catalog' }] : []
    if (one.type !== 'repository') return []
    const actions = repositoryActions.filter((action) => one.actions.includes(action))
    return [{ kind: 'repository', name: one.name, actions }]
  })
}
