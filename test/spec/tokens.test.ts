// Registry tokens that nobody issued, that have run out, or that were issued for something else.

import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { createHmac, createPrivateKey, generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { waitUntil } from '../kit/wait-until.ts'
import { emptyConfig, pushBlob } from './content.ts'
import { expectError } from './expect-error.ts'
import { ask, type Registry, startRegistry } from './registry.ts'

let registry: Registry
let good: { header: Record<string, unknown>; claims: Record<string, unknown> }
let ownKey: KeyObject
const path = `/v2/tokens/here/blobs/${emptyConfig.digest}`

beforeAll(async () => {
  registry = await startRegistry({ FLOTILLA_TOKEN_LIFETIME: '3s' })
  await pushBlob(registry.builder, 'tokens/here', emptyConfig)
  const parts = (await registry.builder.token('repository:tokens/here:pull')).split('.')
  const [header, claims] = parts.slice(0, 2).map((part) => JSON.parse(Buffer.from(part, 'base64url').toString()))
  good = { header, claims: { ...claims, exp: claims.exp + 600 } }
  // The operator's own key file: what it signs differs from our tokens only in what the test changes.
  const { keys } = JSON.parse(readFileSync(join(registry.flotilla.data, 'keys/token-keys.json'), 'utf8'))
  ownKey = createPrivateKey({ key: keys[0], format: 'jwk' })
})
afterAll(async () => await registry[Symbol.asyncDispose]())

const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')

type Change = { readonly header?: object; readonly claims?: object; readonly sign?: (text: string) => Buffer | string }

function makeToken({ header = {}, claims = {}, sign: makeSignature = signWith(ownKey) }: Change): string {
  const text = `${encode({ ...good.header, ...header })}.${encode({ ...good.claims, ...claims })}`
  const signature = makeSignature(text)
  return `${text}.${typeof signature === 'string' ? signature : signature.toString('base64url')}`
}

const signWith = (key: KeyObject) => (text: string) => sign(null, Buffer.from(text), key)
const show = (token: string) => ask(registry.url, 'GET', path, { headers: { authorization: `Bearer ${token}` } })

test('the tokens that this file makes are good but for what it changes', async () => {
  expect((await show(makeToken({}))).status).toBe(200)
})

test('a token that was issued runs out', async () => {
  const token = await registry.builder.token('repository:tokens/here:pull')
  expect((await show(token)).status).toBe(200)
  const late = await waitUntil(
    async () => {
      const answer = await show(token)
      return answer.status !== 200 && answer
    },
    { what: 'the token runs out' },
  )
  expectError(late, 401, 'UNAUTHORIZED')
  expect(late.headers.get('www-authenticate')).toContain(',error="invalid_token"')
})

const now = () => Math.floor(Date.now() / 1000)
const stranger = generateKeyPairSync('ed25519')

const changes: [string, () => Change][] = [
  ['run out', () => ({ claims: { exp: now() - 1 } })],
  ['never runs out', () => ({ claims: { exp: undefined } })],
  ['not yet good', () => ({ claims: { nbf: now() + 600 } })],
  ['another audience', () => ({ claims: { aud: 'another' } })],
  ['no audience', () => ({ claims: { aud: undefined } })],
  ['another issuer', () => ({ claims: { iss: 'another' } })],
  ['no subject', () => ({ claims: { sub: undefined } })],
  ['an unknown subject', () => ({ claims: { sub: '00000000-0000-4000-8000-000000000000' } })],
  ['a subject by name', () => ({ claims: { sub: 'builder' } })],
  ['another key', () => ({ sign: signWith(stranger.privateKey) })],
  ['another key id', () => ({ header: { kid: '00000000-0000-4000-8000-000000000000' } })],
  ['no key id', () => ({ header: { kid: undefined } })],
  ['a key id that is no text', () => ({ header: { kid: { toString: 'x' } } })],
  ['a key id that is a path', () => ({ header: { kid: '../../etc/passwd' } })],
  [
    'its own key in the header',
    () => ({ header: { jwk: stranger.publicKey.export({ format: 'jwk' }) }, sign: signWith(stranger.privateKey) }),
  ],
  [
    'a key by address',
    () => ({ header: { jku: 'http://127.0.0.1:1/keys', kid: 'x' }, sign: signWith(stranger.privateKey) }),
  ],
  ['alg none', () => ({ header: { alg: 'none' }, sign: () => '' })],
  ['alg none, signed', () => ({ header: { alg: 'none' } })],
  ['alg None in other letters', () => ({ header: { alg: 'nOnE' }, sign: () => '' })],
  ['no signature', () => ({ sign: () => '' })],
  ['a signature cut short', () => ({ sign: (text) => sign(null, Buffer.from(text), ownKey).subarray(0, 63) })],
  ['HMAC with the public key', () => ({ header: { alg: 'HS256' }, sign: hmacWithPublicKey })],
  ['an extension that we must understand', () => ({ header: { crit: ['x'], x: 1 } })],
]

function hmacWithPublicKey(text: string): Buffer {
  const { keys } = JSON.parse(readFileSync(join(registry.flotilla.data, 'keys/token-keys.json'), 'utf8'))
  return createHmac('sha256', Buffer.from(keys[0].x, 'base64url')).update(text).digest()
}

describe('a token is refused', () => {
  test.each(changes)('%s', async (_, change) => {
    const answer = await show(makeToken(change()))
    expectError(answer, 401, 'UNAUTHORIZED')
    expect(answer.headers.get('www-authenticate')).toContain(',error="invalid_token"')
  })

  test('with one bit of its claims turned', async () => {
    const [header, claims = '', signature] = makeToken({}).split('.')
    const turned = Buffer.from(claims, 'base64url').toString().replace('tokens/here', 'tokens/herf')
    expectError(
      await show([header, Buffer.from(turned).toString('base64url'), signature].join('.')),
      401,
      'UNAUTHORIZED',
    )
  })

  const narrowed: [string, () => Change][] = [
    ['no access', () => ({ claims: { access: undefined } })],
    ['access that is no list', () => ({ claims: { access: 'repository:tokens/here:pull' } })],
    ['access to another', () => ({ claims: { access: [{ type: 'repository', name: 'x', actions: ['pull'] }] } })],
    ['access to nothing', () => ({ claims: { access: [{ type: 'repository', name: 'tokens/here', actions: [] }] } })],
    ['a pattern', () => ({ claims: { access: [{ type: 'repository', name: '**', actions: ['pull'] }] } })],
    ['null in it', () => ({ claims: { access: [null] } })],
  ]
  test.each(narrowed)('as too narrow: %s', async (_, change) => {
    const answer = await show(makeToken(change()))
    expectError(answer, 401, 'UNAUTHORIZED')
    expect(answer.headers.get('www-authenticate')).toContain(',error="insufficient_scope"')
  })

  test('when it claims more than its robot may', async () => {
    const access = [{ type: 'repository', name: 'tokens/here', actions: ['pull', 'push', 'delete'] }]
    const authorization = `Bearer ${makeToken({ claims: { access } })}`
    const answer = await ask(registry.url, 'DELETE', path, { headers: { authorization } })
    expectError(answer, 403, 'DENIED')
  })
})
