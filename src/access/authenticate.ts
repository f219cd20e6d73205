// From an Authorization header to a caller. It reads the robot's row each time, so that a revocation counts at once.

import { adminIdentity, decide, type Identity, type Need } from './decide.ts'
import { parseGrant } from './grants.ts'
import type { RegistryTokens, Scope } from './registry-token.ts'
import { matchesSecret, parseNamedSecret } from './secrets.ts'

export type StoredToken = {
  readonly id: string
  readonly name: string
  readonly secretHash: Uint8Array
  readonly grants: readonly string[]
  readonly expiresAtMs: number | undefined
  readonly revokedAtMs: number | undefined
}

export type Caller = {
  /** `admin` or the id of a robot: what a registry token is issued to. */
  readonly subject: string
  readonly identity: Identity
  /** What a registry token narrows the identity to; undefined: nothing narrows it. */
  readonly scopes: readonly Scope[] | undefined
}

export type AuthenticatorOptions = {
  readonly findToken: (by: { readonly id: string } | { readonly name: string }) => Promise<StoredToken | undefined>
  readonly adminSecretHash: Uint8Array
  readonly registryTokens: RegistryTokens
  readonly now: () => number
}

/** A hash that no secret has: comparing with it costs an unknown name as much as a known one. */
const nobody = new Uint8Array(32)

export class Authenticator {
  readonly #options: AuthenticatorOptions

  constructor(options: AuthenticatorOptions) {
    this.#options = options
  }

  /** Basic or Bearer. `isAdminAllowed` is false where the admin token must not work. Undefined: nobody we know. */
  async authenticate(header: string, isAdminAllowed: boolean): Promise<Caller | undefined> {
    const space = header.indexOf(' ')
    const scheme = header.slice(0, space).toLowerCase()
    const rest = header.slice(space + 1).trim()
    if (scheme === 'basic') {
      const pair = Buffer.from(rest, 'base64').toString('utf8')
      const colon = pair.indexOf(':')
      return colon < 0 ? undefined : await this.login(pair.slice(0, colon), pair.slice(colon + 1), isAdminAllowed)
    }
    if (scheme !== 'bearer') return undefined
    // First, since an operator who chose the admin token may have put a dot or an at sign into it.
    const admin = isAdminAllowed ? this.#admin(rest) : undefined
    if (admin) return admin
    // The name of a robot may have dots, as a signed token always has; an at sign a signed token never has.
    return rest.includes('@') ? await this.#byNamedSecret(rest) : await this.#bySignedToken(rest, isAdminAllowed)
  }

  async login(user: string, secret: string, isAdminAllowed: boolean): Promise<Caller | undefined> {
    if (user === 'admin') return isAdminAllowed ? this.#admin(secret) : undefined
    const token = await this.#options.findToken({ name: user })
    const isRight = matchesSecret(secret, token?.secretHash ?? nobody)
    return token && isRight && this.#isLive(token) ? robot(token, undefined) : undefined
  }

  /** `Authorization: Bearer name@flt_…`, as scripts use it at the control API: robots name themselves. */
  async #byNamedSecret(text: string): Promise<Caller | undefined> {
    const named = parseNamedSecret(text)
    return named && (await this.login(named.name, named.secret, false))
  }

  async #bySignedToken(text: string, isAdminAllowed: boolean): Promise<Caller | undefined> {
    const token = await this.#options.registryTokens.verify(text, this.#options.now())
    if (!token) return undefined
    if (token.subject === 'admin') {
      return isAdminAllowed ? { subject: 'admin', identity: adminIdentity, scopes: token.scopes } : undefined
    }
    const stored = await this.#options.findToken({ id: token.subject })
    return stored && this.#isLive(stored) ? robot(stored, token.scopes) : undefined
  }

  #admin(secret: string): Caller | undefined {
    return matchesSecret(secret, this.#options.adminSecretHash)
      ? { subject: 'admin', identity: adminIdentity, scopes: undefined }
      : undefined
  }

  #isLive(token: StoredToken): boolean {
    return deathOf(token, this.#options.now()) === undefined
  }
}

/** Why the token opens nothing any more; undefined while it lives. */
export function deathOf(
  token: Pick<StoredToken, 'expiresAtMs' | 'revokedAtMs'>,
  nowMs: number,
): 'revoked' | 'expired' | undefined {
  if (token.revokedAtMs !== undefined) return 'revoked'
  return token.expiresAtMs !== undefined && token.expiresAtMs <= nowMs ? 'expired' : undefined
}

function robot(token: StoredToken, scopes: readonly Scope[] | undefined): Caller {
  return { subject: token.id, identity: identityOf(token), scopes }
}

export function identityOf(token: Pick<StoredToken, 'name' | 'grants'>): Identity {
  return { kind: 'robot', name: token.name, grants: token.grants.map(parseGrant) }
}

/** `yes`; `scope`: the identity may, but its token was not issued for this; `no`. */
export function judge(caller: Caller, need: Need): 'yes' | 'scope' | 'no' {
  if (!decide(caller.identity, need)) return 'no'
  if (caller.scopes === undefined) return 'yes'
  // Registry tokens open nothing but the registry.
  if (need.kind === 'api') return 'no'
  return caller.scopes.some((scope) => covers(scope, need)) ? 'yes' : 'scope'
}

function covers(scope: Scope, need: Exclude<Need, { kind: 'api' }>): boolean {
  if (need.kind === 'catalog' || scope.kind === 'catalog') return need.kind === scope.kind
  return scope.name === need.name && scope.actions.includes(need.action)
}
