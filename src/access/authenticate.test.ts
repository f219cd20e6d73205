import { beforeAll, describe, expect, test } from 'bun:test'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Authenticator, type Caller, judge, type StoredToken } from './authenticate.ts'
import { adminIdentity, type Need } from './decide.ts'
import { RegistryTokens, type Scope } from './registry-token.ts'
import { hashSecret, makeSecret, matchesSecret } from './secrets.ts'
import { TokenKeys } from './token-keys.ts'

const nowMs = Date.UTC(2026, 0, 1)
const secret = makeSecret()
const adminSecret = makeSecret()
const rows = new Map<string, StoredToken>()
let clock = nowMs
let tokens: RegistryTokens
let authenticator: Authenticator

beforeAll(async () => {
  const folder = mkdtempSync(join(tmpdir(), 'flotilla-access-'))
  tokens = new RegistryTokens(await TokenKeys.open(join(folder, 'keys.json')), 'here')
  rmSync(folder, { recursive: true })
  const row = (name: string, more: Partial<StoredToken> = {}) =>
    rows.set(name, {
      id: `id-${name}`,
      name,
      secretHash: hashSecret(secret),
      grants: ['repository:a/**:pull,push'],
      expiresAtMs: undefined,
      revokedAtMs: undefined,
      ...more,
    })
  row('robot')
  row('other')
  row('mirror.example.org')
  row('expiring', { expiresAtMs: nowMs + 1000 })
  row('revoked', { revokedAtMs: nowMs - 1 })
  row('admin')
  authenticator = new Authenticator({
    findToken: async (by) => [...rows.values()].find((one) => ('id' in by ? one.id === by.id : one.name === by.name)),
    adminSecretHash: hashSecret(adminSecret),
    registryTokens: tokens,
    now: () => clock,
  })
})

const basic = (user: string, password: string) => `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`
const nameOf = async (header: string, isAdminAllowed = false) =>
  (await authenticator.authenticate(header, isAdminAllowed))?.identity.name

describe('credentials', () => {
  const cases: [string, () => string, boolean, string | undefined][] = [
    ['Basic of a robot', () => basic('robot', secret), false, 'robot'],
    ['in other letters', () => basic('robot', secret).replace('Basic', 'bASIC'), false, 'robot'],
    ['a wrong secret', () => basic('robot', makeSecret()), false, undefined],
    ['a secret cut short', () => basic('robot', secret.slice(0, -1)), false, undefined],
    ['an unknown name', () => basic('nobody', secret), false, undefined],
    ['a revoked robot', () => basic('revoked', secret), false, undefined],
    ['a robot by its id', () => basic('id-robot', secret), false, undefined],
    ['name@secret as Bearer', () => `Bearer robot@${secret}`, false, 'robot'],
    ['a name with dots as Bearer', () => `Bearer mirror.example.org@${secret}`, false, 'mirror.example.org'],
    ['admin@secret as Bearer', () => `Bearer admin@${adminSecret}`, true, undefined],
    ['a robot secret without a name', () => `Bearer ${secret}`, true, undefined],
    ['the admin, where it works', () => basic('admin', adminSecret), true, 'admin'],
    ['the admin, where it does not', () => basic('admin', adminSecret), false, undefined],
    ['the admin token alone', () => `Bearer ${adminSecret}`, true, 'admin'],
    ['the admin token alone, elsewhere', () => `Bearer ${adminSecret}`, false, undefined],
    ['a robot that is called admin', () => basic('admin', secret), true, undefined],
    ['no scheme', () => secret, true, undefined],
    ['nothing', () => '', true, undefined],
    ['Basic of nothing', () => 'Basic ', true, undefined],
  ]
  test.each(cases)('%s', async (_, header, isAdminAllowed, expected) => {
    expect(await nameOf(header(), isAdminAllowed)).toBe(expected)
  })

  test.each(['a.b.c', 'robot@a', 'pass word', 'admin'])('an admin token of the operator may be %j', async (chosen) => {
    const findToken = async () => undefined
    const admin = { findToken, adminSecretHash: hashSecret(chosen), registryTokens: tokens, now: () => clock }
    const bearer = `Bearer ${chosen}`
    const callers = [true, false].map((isAllowed) => new Authenticator(admin).authenticate(bearer, isAllowed))
    expect((await Promise.all(callers)).map((caller) => caller?.identity.kind)).toEqual(['admin', undefined])
  })

  test('run out', async () => {
    expect(await nameOf(basic('expiring', secret))).toBe('expiring')
    const bearer = `Bearer ${await tokens.sign({ subject: 'id-expiring', scopes: [] }, 600_000, nowMs)}`
    expect(await nameOf(bearer)).toBe('expiring')
    clock = nowMs + 1000
    expect(await nameOf(basic('expiring', secret))).toBeUndefined()
    expect(await nameOf(bearer)).toBeUndefined()
    clock = nowMs
  })

  test('a registry token follows its robot: gone when the robot is, narrower when its grants are', async () => {
    const scopes: Scope[] = [{ kind: 'repository', name: 'a/b', actions: ['pull', 'push'] }]
    const bearer = `Bearer ${await tokens.sign({ subject: 'id-other', scopes }, 600_000, nowMs)}`
    const need: Need = { kind: 'repository', name: 'a/b', action: 'push' }
    expect(judge((await authenticator.authenticate(bearer, false))!, need)).toBe('yes')
    rows.set('other', { ...rows.get('other')!, grants: ['repository:a/**:pull'] })
    expect(judge((await authenticator.authenticate(bearer, false))!, need)).toBe('no')
    rows.set('other', { ...rows.get('other')!, revokedAtMs: nowMs })
    expect(await nameOf(bearer)).toBeUndefined()
    rows.delete('other')
    expect(await nameOf(bearer)).toBeUndefined()
  })

  test("the admin's registry token works where the admin does", async () => {
    const bearer = `Bearer ${await tokens.sign({ subject: 'admin', scopes: [] }, 600_000, nowMs)}`
    expect([await nameOf(bearer, true), await nameOf(bearer, false)]).toEqual(['admin', undefined])
  })
})

describe('judge', () => {
  const robot = {
    kind: 'robot',
    name: 'r',
    grants: [{ kind: 'repository', pattern: 'a/**', actions: ['pull', 'push'] }],
  } as const
  const caller = (scopes?: readonly Scope[]): Caller => ({ subject: 'r', identity: robot, scopes })
  const scope: Scope = { kind: 'repository', name: 'a/b', actions: ['pull'] }
  const pull = (name: string): Need => ({ kind: 'repository', name, action: 'pull' })
  const cases: [Caller, Need, string][] = [
    [caller(), pull('a/b'), 'yes'],
    [caller(), pull('b'), 'no'],
    [caller([scope]), pull('a/b'), 'yes'],
    [caller([scope]), pull('a/c'), 'scope'],
    [caller([scope]), { kind: 'repository', name: 'a/b', action: 'push' }, 'scope'],
    [caller([{ kind: 'repository', name: 'b', actions: ['pull'] }]), pull('b'), 'no'],
    [caller([]), pull('a/b'), 'scope'],
    [caller(), { kind: 'catalog' }, 'yes'],
    [caller([scope]), { kind: 'catalog' }, 'scope'],
    [caller([{ kind: 'catalog' }]), { kind: 'catalog' }, 'yes'],
    [caller([{ kind: 'catalog' }]), pull('a/b'), 'scope'],
    [{ subject: 'admin', identity: adminIdentity, scopes: [] }, { kind: 'api', action: 'tokens' }, 'no'],
    [{ subject: 'admin', identity: adminIdentity, scopes: undefined }, { kind: 'api', action: 'tokens' }, 'yes'],
  ]
  test.each(cases)('%#', (who, need, expected) => {
    expect(judge(who, need) as string).toBe(expected)
  })
})

test('secrets differ, carry a prefix, and match their own hash only', () => {
  const [one, two] = [makeSecret(), makeSecret()]
  expect(one).toMatch(/^flt_[0-9a-f]{64}$/)
  expect(one).not.toBe(two)
  expect(matchesSecret(one, hashSecret(one))).toBe(true)
  expect(matchesSecret(two, hashSecret(one))).toBe(false)
  expect(matchesSecret(one, new Uint8Array(0))).toBe(false)
  expect(matchesSecret('', new Uint8Array(32))).toBe(false)
})
