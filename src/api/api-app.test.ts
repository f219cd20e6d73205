import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Authenticator } from '#access/authenticate.ts'
import { RegistryTokens } from '#access/registry-token.ts'
import { hashSecret, makeSecret } from '#access/secrets.ts'
import { TokenKeys } from '#access/token-keys.ts'
import { addRepositoryBlob } from '#catalogue/blobs.ts'
import { sequenceEvents } from '#catalogue/events.ts'
import { addGeneration, markPublished } from '#catalogue/generations.ts'
import { addPulls, dayOf } from '#catalogue/pulls.ts'
import { ensureRepository } from '#catalogue/repositories.ts'
import type { Catalogue } from '#catalogue/schema.ts'
import { openSqlite } from '#catalogue/sqlite/open-sqlite.ts'
import { addToken, findToken } from '#catalogue/tokens.ts'
import { addTreeBlobs } from '#catalogue/tree-blobs.ts'
import { makeDigest } from '#oci/digest.ts'
import type { RepositoryName } from '#oci/name.ts'
import { makeApi } from './api-app.ts'
import type { ApiStores } from './api-context.ts'

const adminSecret = makeSecret()
const robotSecret = makeSecret()
const robots: Readonly<Record<string, readonly string[]>> = {
  minter: ['api:tokens,read', 'repository:fedora/**:pull,push'],
  reader: ['api:read'],
  keeper: ['api:hosts,read'],
  volunteer: ['api:check-in'],
  'mirror.test': ['api:check-in:mirror.test'],
  'other.test': ['api:check-in:other.test'],
}
const logged: unknown[] = []
let folder: string
let catalogue: Catalogue
let ask: (path: string, init?: RequestInit & { as?: string }) => Promise<Response>

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'api-'))
  catalogue = await openSqlite(join(folder, 'catalogue.sqlite'))
  for (const [name, grants] of Object.entries(robots)) {
    const about = { createdBy: 'test', createdAtMs: 1, expiresAtMs: undefined }
    await addToken(catalogue, { name, secretHash: hashSecret(robotSecret), grants, ...about })
  }
  const stores = {
    catalogue,
    candidateChannel: 'candidate',
    publicChannel: 'stable',
    publicChannels: ['stable'],
    now: Date.now,
    nudge: () => undefined,
    hostsChanged: async () => undefined,
    describeHost: async () => ({}),
    checkInLimits: { maxPerHour: 4 },
    hostPolicy: () => ({ allowPrivate: false, isOperator: true, channels: ['stable'], ownNames: [] }),
    publicSide: { frontdoorUrl: undefined },
  } as unknown as ApiStores
  const authenticator = new Authenticator({
    findToken: (by) => findToken(catalogue, by),
    adminSecretHash: hashSecret(adminSecret),
    registryTokens: new RegistryTokens(await TokenKeys.open(join(folder, 'keys.json')), 'here'),
    now: Date.now,
  })
  const app = makeApi({ stores, authenticator, log: (error) => logged.push(error) })
  ask = async (path, { as = 'admin', ...init } = {}) => {
    const token = as === 'admin' ? adminSecret : `${as}@${robotSecret}`
    const headers = { 'content-type': 'application/json', authorization: `Bearer ${token}`, ...init.headers }
    return await app.fetch(new Request(`http://api.test/api/v1${path}`, { ...init, headers }))
  }
})
afterAll(async () => {
  await catalogue.destroy()
  await rm(folder, { recursive: true, force: true })
})

const post = (path: string, body: unknown, as?: string) =>
  ask(path, { method: 'POST', body: JSON.stringify(body), ...(as ? { as } : {}) })

describe('what cannot be read is refused as a problem document, not logged as our failure', () => {
  const json = 'application/json'
  const bodies: readonly (readonly [string, string, string, number])[] = [
    ['no JSON', '{bad', json, 400],
    ['nothing', '', json, 400],
    ['JSON of another shape', '[]', json, 400],
    ['another media type', '{"name":"a"}', 'text/plain', 415],
    ['a field that is not known', '{"name":"a","nmae":"b"}', json, 400],
  ]
  test.each(bodies)('%s', async (_, body, contentType, status) => {
    logged.length = 0
    const answer = await ask('/sites', { method: 'POST', body, headers: { 'content-type': contentType } })
    expect(answer.status).toBe(status)
    expect(answer.headers.get('content-type')).toBe('application/problem+json')
    expect(await answer.json()).toMatchObject({ status, code: 'REQUEST_INVALID', type: 'about:blank' })
    expect(logged).toEqual([])
  })
})

describe('a token hands on no more than it has', () => {
  const grants: readonly (readonly [string, string, number])[] = [
    ['the same', 'repository:fedora/**:pull,push', 201],
    ['a narrower pattern', 'repository:fedora/44/**:pull', 201],
    ['one repository', 'repository:fedora/44:push', 201],
    ['another pattern', 'repository:rocky/**:pull', 403],
    ['every repository', 'repository:**:pull', 403],
    ['the folder itself, which the pattern leaves out', 'repository:fedora:pull', 403],
    ['another action', 'repository:fedora/**:delete', 403],
    ['a part of the API that it has', 'api:read', 201],
    ['one that it lacks', 'api:read,promote', 403],
    ['one that it lacks, for a single host', 'api:check-in:a.test', 403],
  ]
  test.each(grants)('%s', async (what, grant, status) => {
    const name = what.toLowerCase().replace(/[^a-z]+/g, '-')
    expect((await post('/tokens', { name, grants: [grant] }, 'minter')).status).toBe(status)
  })

  test('the admin hands on anything', async () => {
    const grants = ['repository:**:pull,push,delete', 'api:read,promote,publish,hosts,tokens']
    expect((await post('/tokens', { name: 'all', grants })).status).toBe(201)
  })
})

describe('hosts', () => {
  const host = { name: 'mirror.test', urls: ['https://mirror.test/flotilla'] }

  test('a robot changes them only with that grant', async () => {
    expect((await post('/hosts', host, 'reader')).status).toBe(403)
    expect((await post('/hosts', host, 'keeper')).status).toBe(201)
  })

  test('two changes at once both hold, and the stream of events names who made them', async () => {
    const change = (body: unknown) => ask('/hosts/mirror.test', { method: 'PATCH', body: JSON.stringify(body) })
    const answers = await Promise.all([change({ country: 'DE' }), change({ bandwidthMbps: 7 }), change({ asn: 64 })])
    expect(answers.map((one) => one.status)).toEqual([200, 200, 200])
    const now = await (await ask('/hosts/mirror.test')).json()
    expect(now).toMatchObject({ country: 'DE', bandwidthMbps: 7, asn: 64 })
    await sequenceEvents(catalogue)
    const { events } = (await (await ask('/events')).json()) as { events: { type: string; data: unknown }[] }
    expect(events.map((one) => one.type)).toEqual(Array(4).fill('host.changed'))
    expect(events[0]!.data).toEqual({ host: 'mirror.test', actor: 'keeper' })
  })

  test('a change made from a state that is no more is refused, and changes nothing', async () => {
    const change = (body: unknown, ifMatch: string) =>
      ask('/hosts/mirror.test', { method: 'PATCH', body: JSON.stringify(body), headers: { 'if-match': ifMatch } })
    const read = (await ask('/hosts/mirror.test')).headers.get('etag')!
    const first = await change({ bandwidthMbps: 8 }, read)
    expect(first.status).toBe(200)
    expect(first.headers.get('etag')).not.toBe(read)
    const late = await change({ bandwidthMbps: 9 }, read)
    expect(late.status).toBe(412)
    expect(await late.json()).toMatchObject({
      code: 'PRECONDITION_FAILED',
      detail: expect.stringContaining('read it again'),
    })
    expect((await change({ bandwidthMbps: 9 }, `W/${first.headers.get('etag')}`)).status).toBe(412)
    const now = await ask('/hosts/mirror.test')
    expect(await now.json()).toMatchObject({ bandwidthMbps: 8 })
    expect(now.headers.get('etag')).toBe(first.headers.get('etag'))
    expect((await change({ bandwidthMbps: 10 }, `"other", ${read}, ${now.headers.get('etag')}`)).status).toBe(200)
    expect((await change({ bandwidthMbps: 7 }, '*')).status).toBe(200)
  })

  test('a place takes both of its numbers, or is refused with what is wrong', async () => {
    const change = (body: unknown) => ask('/hosts/mirror.test', { method: 'PATCH', body: JSON.stringify(body) })
    const half = await change({ latitude: 50.0755 })
    expect(half.status).toBe(400)
    expect(await half.json()).toMatchObject({ detail: expect.stringContaining('give both or none') })
    expect((await change({ latitude: 91, longitude: 0 })).status).toBe(400)
    expect((await change({ latitude: 50.0755, longitude: -14.4378 })).status).toBe(200)
    const placed = await (await change({ latitude: 51 })).json()
    expect(placed).toMatchObject({ latitude: 51, longitude: -14.4378 })
  })

  test('names that terminals would obey are refused', async () => {
    expect((await post('/sites', { name: 'a\u001b[2J' })).status).toBe(400)
    expect((await post('/hosts', { ...host, name: 'b.test', site: 'a\nb' })).status).toBe(400)
  })
})

describe('popularity', () => {
  const digest = makeDigest('sha256', 'ab'.repeat(32))
  const read = async (query: string, as = 'reader') => {
    const answer = await ask(`/popularity${query}`, { as })
    return [answer.status, await answer.json()] as const
  }

  test('tells the blobs of a public channel that were pulled most, and some repositories that hold them', async () => {
    await catalogue.transaction().execute(async (tx) => {
      await addTreeBlobs(tx, 'stable', [{ digest, sizeBytes: 7, generation: 1 }])
      const repositoryId = await ensureRepository(tx, 'fedora/base' as RepositoryName, 1)
      await addRepositoryBlob(tx, repositoryId, digest, 7, 1)
    })
    await addPulls(catalogue, { channel: 'stable', day: dayOf(Date.now()) }, new Map([[digest, 3]]))
    const [status, body] = await read('?limit=1')
    expect(status).toBe(200)
    expect(body).toMatchObject({ blobs: [{ digest, sizeBytes: 7, pulls: 3, repositories: ['fedora/base'] }] })
  })

  test('is for those who may read, of public channels, a bounded number', async () => {
    expect((await read('', 'volunteer'))[0]).toBe(403)
    expect((await read('?channel=candidate'))[0]).toBe(400)
    expect((await read('?limit=1001'))[0]).toBe(400)
  })
})

describe('check-ins', () => {
  const path = '/hosts/mirror.test/check-ins'
  type Listed = { checkIns: { generation: number; state: string; at: string }[] }
  const list = async (as?: string) => (await (await ask(path, as ? { as } : {})).json()) as Listed
  beforeAll(async () => {
    await catalogue.transaction().execute(async (tx) => {
      for (const number of [1, 2]) {
        await addGeneration(tx, { channel: 'stable', number, createdAtMs: 1, actor: 'test', summary: {} })
        await markPublished(tx, 'stable', number, {}, 1)
      }
    })
  })

  test('are claims for a public channel, up to the generation that is published', async () => {
    expect((await post(path, { generation: 1, channel: 'candidate' })).status).toBe(400)
    expect((await post(path, { generation: 0 })).status).toBe(400)
    const ahead = await post(path, { generation: 3 })
    expect(ahead.status).toBe(409)
    expect(await ahead.json()).toMatchObject({ code: 'CONFLICT', detail: expect.stringContaining('generation is 2') })
    expect((await list()).checkIns).toEqual([])
    const taken = await post(path, { generation: 1, software: 'a/1' })
    expect(taken.status).toBe(202)
    expect(await taken.json()).toMatchObject({
      kind: 'crawl',
      state: 'waiting',
      checkIn: {
        host: 'mirror.test',
        channel: 'stable',
        generation: 1,
        state: 'claimed',
        source: 'api',
        software: 'a/1',
      },
    })
  })

  test('that are sent again are the same one', async () => {
    const again = await post(path, { generation: 1 })
    expect(again.status).toBe(200)
    const { checkIn } = (await again.json()) as { checkIn: unknown }
    expect((await list()).checkIns).toEqual([checkIn] as never)
  })

  const callers: readonly (readonly [string, string, number, number])[] = [
    ['who may check in for every host', 'volunteer', 200, 200],
    ['whose token is for this host', 'mirror.test', 200, 200],
    ['whose token is for another one', 'other.test', 403, 403],
    ['who may read', 'reader', 403, 200],
    ['who keeps the hosts', 'keeper', 200, 200],
  ]
  test.each(callers)('by one %s', async (_, as, mayAdd, mayRead) => {
    expect((await post(path, { generation: 1 }, as)).status).toBe(mayAdd)
    expect((await ask(path, { as })).status).toBe(mayRead)
    expect((await ask('/hosts/mirror.test', { as })).status).toBe(mayRead)
  })

  test('the grant for them allows nothing else', async () => {
    for (const as of ['volunteer', 'mirror.test']) {
      expect((await post('/hosts/mirror.test/check', {}, as)).status).toBe(403)
      expect((await post('/hosts', { name: 'x.test', urls: ['https://x.test'] }, as)).status).toBe(403)
      expect((await ask('/hosts', { as })).status).toBe(403)
      const change = { method: 'PATCH', body: JSON.stringify({ grade: 'gold' }) }
      expect((await ask('/hosts/mirror.test', { ...change, as })).status).toBe(403)
    }
  })

  test('stand at the host, newest first, and a flood of them is told to wait', async () => {
    for (const generation of [2, 1, 2]) expect((await post(path, { generation })).status).toBe(202)
    const flood = await post(path, { generation: 1 })
    expect(flood.status).toBe(429)
    expect(Number(flood.headers.get('retry-after'))).toBeGreaterThan(3500)
    expect(await flood.json()).toMatchObject({ code: 'TOOMANYREQUESTS' })
    expect((await post(path, { generation: 2 })).status).toBe(200)
    expect((await list('mirror.test')).checkIns.map((one) => one.generation)).toEqual([2, 1, 2, 1])
    const shown = await (await ask('/hosts/mirror.test')).json()
    expect(shown).toMatchObject({ lastCheckIn: { generation: 2, state: 'claimed', source: 'api' } })
  })
})
