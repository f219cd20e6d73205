import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { decodeProtectedHeader, importJWK, SignJWT } from 'jose'
import { formatScope, parseScope, RegistryTokens, type Scope } from './registry-token.ts'
import { TokenKeys } from './token-keys.ts'

const folder = mkdtempSync(join(tmpdir(), 'flotilla-tokens-'))
afterAll(() => rmSync(folder, { recursive: true }))

const repository = (name: string, ...actions: ('pull' | 'push' | 'delete')[]): Scope => ({
  kind: 'repository',
  name,
  actions,
})

describe('scopes', () => {
  const cases: [string, Scope | undefined][] = [
    ['repository:a/b:pull', repository('a/b', 'pull')],
    ['repository:a:push,pull', repository('a', 'pull', 'push')],
    ['repository:a:*', repository('a', 'pull', 'push', 'delete')],
    ['repository:a:pull,fly', repository('a', 'pull')],
    ['repository:a:', repository('a')],
    ['repository(plugin):a:pull', repository('a', 'pull')],
    ['repository:host:5000/a:pull', repository('host:5000/a', 'pull')],
    ['registry:catalog:*', { kind: 'catalog' }],
    ['registry:catalog:pull', undefined],
    ['registry:other:*', undefined],
    ['plugin:a:pull', undefined],
    ['repository', undefined],
    ['repository:a', undefined],
    ['', undefined],
  ]
  test.each(cases)('%j', (text, expected) => {
    expect(parseScope(text)).toEqual(expected as never)
  })

  test.each(['repository:a/b:pull,push', 'registry:catalog:*'])('%s is written as it is read', (text) => {
    expect(formatScope(parseScope(text)!)).toBe(text)
  })
})

describe('tokens', () => {
  let keys: TokenKeys
  const nowMs = Date.UTC(2026, 0, 1)
  const scopes = [repository('a', 'pull'), { kind: 'catalog' } as const]

  beforeAll(async () => {
    keys = await TokenKeys.open(join(folder, 'tokens.json'))
  })

  test('say what they were signed for, until they run out', async () => {
    const tokens = new RegistryTokens(keys, 'here')
    const text = await tokens.sign({ subject: 'robot', scopes }, 60_000, nowMs)
    for (const reader of [tokens, new RegistryTokens(keys, 'here')]) {
      expect(await reader.verify(text, nowMs)).toEqual({ subject: 'robot', scopes, expiresAtMs: nowMs + 60_000 })
      expect(await reader.verify(text, nowMs + 59_999)).toBeDefined()
      expect(await reader.verify(text, nowMs + 60_000)).toBeUndefined()
    }
  })

  test('are for one service', async () => {
    const text = await new RegistryTokens(keys, 'here').sign({ subject: 'robot', scopes }, 60_000, nowMs)
    expect(await new RegistryTokens(keys, 'there').verify(text, nowMs)).toBeUndefined()
  })

  test('of more texts than are remembered', async () => {
    const tokens = new RegistryTokens(keys, 'here')
    expect(await tokens.verify('a.b.c', nowMs)).toBeUndefined()
    expect(await tokens.verify('', nowMs)).toBeUndefined()
  })

  test('with a claim that is missing or of another kind are refused', async () => {
    const { kid, key } = keys.signing
    const sign = (claims: Record<string, unknown>) =>
      new SignJWT({ iss: 'flotilla', sub: 'robot', aud: 'here', exp: nowMs / 1000 + 60, ...claims })
        .setProtectedHeader({ alg: 'EdDSA', kid })
        .sign(key)
    const tokens = new RegistryTokens(keys, 'here')
    expect(await tokens.verify(await sign({}), nowMs)).toEqual({
      subject: 'robot',
      scopes: [],
      expiresAtMs: nowMs + 60_000,
    })
    for (const claims of [
      { exp: undefined },
      { exp: 'soon' },
      { sub: undefined },
      { iss: 'other' },
      { aud: ['there'] },
    ])
      expect(await tokens.verify(await sign(claims), nowMs)).toBeUndefined()
  })
})

describe('keys', () => {
  const open = () => TokenKeys.open(join(folder, 'keys', 'rotating.json'))
  const nowMs = Date.now()

  test('two are live: after one rotation old tokens hold, after two they do not', async () => {
    const keys = await open()
    const tokens = new RegistryTokens(keys, 'here')
    const sign = () => tokens.sign({ subject: 'robot', scopes: [] }, 60_000, nowMs)
    const first = await sign()
    expect(await tokens.verify(first, nowMs)).toBeDefined()
    const kid = await keys.rotate()
    const second = await sign()
    expect(decodeProtectedHeader(second).kid).toBe(kid)
    for (const text of [first, second]) expect(await tokens.verify(text, nowMs)).toBeDefined()
    await keys.rotate()
    // The first was remembered as good: the key it needs is gone all the same.
    expect(await tokens.verify(first, nowMs)).toBeUndefined()
    expect(await tokens.verify(second, nowMs)).toBeDefined()
  })

  test('are kept over a restart, and another process learns of a rotation by reload', async () => {
    const keys = await open()
    const other = await open()
    expect(other.signing.kid).toBe(keys.signing.kid)
    await keys.rotate()
    const text = await new RegistryTokens(keys, 'here').sign({ subject: 'robot', scopes: [] }, 60_000, nowMs)
    const tokens = new RegistryTokens(other, 'here')
    expect(await tokens.verify(text, nowMs)).toBeUndefined()
    await other.reload()
    expect(await tokens.verify(text, nowMs)).toBeDefined()
  })

  test('of processes that start at once are the same', async () => {
    const path = join(folder, 'together', 'keys.json')
    const opened = await Promise.all(Array.from({ length: 8 }, () => TokenKeys.open(path)))
    expect(new Set(opened.map((keys) => keys.signing.kid)).size).toBe(1)
    expect(readdirSync(join(folder, 'together'))).toEqual(['keys.json'])
  })

  test('lie where only their owner reads them', async () => {
    await open()
    expect(statSync(join(folder, 'keys')).mode & 0o777).toBe(0o700)
    expect(statSync(join(folder, 'keys', 'rotating.json')).mode & 0o777).toBe(0o600)
  })

  test('verify with the public half only', async () => {
    const path = join(folder, 'public.json')
    const keys = await TokenKeys.open(path)
    const stored = JSON.parse(readFileSync(path, 'utf8')).keys[0]
    const accepted = keys.find(stored.kid) as CryptoKey
    expect([accepted.type, ((await importJWK(stored, 'EdDSA')) as CryptoKey).type]).toEqual(['public', 'private'])
    expect(keys.find('other')).toBeUndefined()
    expect(keys.find(undefined)).toBeUndefined()
  })

  test.each(['', '{', '{"keys":[]}'])('a file that holds %j is an error, never new keys', async (text) => {
    const path = join(folder, 'broken.json')
    writeFileSync(path, text)
    chmodSync(path, 0o600)
    await expect(TokenKeys.open(path)).rejects.toThrow('keys')
    expect(readFileSync(path, 'utf8')).toBe(text)
  })
})
