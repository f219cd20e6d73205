import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Authenticator } from '#access/authenticate.ts'
import { RegistryTokens } from '#access/registry-token.ts'
import { hashSecret, makeSecret } from '#access/secrets.ts'
import { TokenKeys } from '#access/token-keys.ts'
import { takeReport } from '#catalogue/reports.ts'
import type { Catalogue } from '#catalogue/schema.ts'
import { openSqlite } from '#catalogue/sqlite/open-sqlite.ts'
import { numberColumns } from '#catalogue/statistics.ts'
import { addToken, findToken } from '#catalogue/tokens.ts'
import { measures, type SubjectKind } from '#snapshots/statistics.ts'
import { makeApi } from './api-app.ts'
import type { ApiStores } from './api-context.ts'

const secret = makeSecret()
const robots: Readonly<Record<string, readonly string[]>> = {
  reader: ['api:read'],
  'mirror.test': ['api:check-in:mirror.test'],
  promoter: ['api:promote'],
}
const nowMs = Date.UTC(2026, 2, 15, 12, 30)
const hourMs = 3_600_000

let folder: string
let catalogue: Catalogue
let get: (path: string, as?: string, headers?: Record<string, string>) => Promise<Response>

const row = (kind: SubjectKind, subject: string, redirects: number) => ({
  kind,
  subject,
  values: measures.map((_, i) => [redirects, redirects * 1000][i] ?? 0),
})
let reports = 0
const take = (atMs: number, ...statistics: ReturnType<typeof row>[]) =>
  takeReport(
    catalogue,
    { channel: 'stable', source: `${++reports}`, sequence: 1, atMs, counts: new Map(), statistics },
    { maxSubjects: 100, nowMs },
  )

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'statistics-api-'))
  catalogue = await openSqlite(':memory:')
  for (const [name, grants] of Object.entries(robots)) {
    const about = { createdBy: 'test', createdAtMs: 1, expiresAtMs: undefined }
    await addToken(catalogue, { name, secretHash: hashSecret(secret), grants, ...about })
  }
  const view = {
    publication: {
      publication: { repositories: new Map([['fedora/base', { tags: new Map([['latest', 'sha256:a']]) }]]) },
    },
    fleet: { placement: { world: [{ host: { name: 'mirror.test' } }] } },
  }
  const stores = {
    catalogue,
    publicChannel: 'stable',
    publicChannels: ['stable'],
    now: () => nowMs,
    publicSide: { view: () => view },
  } as unknown as ApiStores
  const authenticator = new Authenticator({
    findToken: (by) => findToken(catalogue, by),
    adminSecretHash: hashSecret(secret),
    registryTokens: new RegistryTokens(await TokenKeys.open(join(folder, 'keys.json')), 'here'),
    now: () => nowMs,
  })
  const api = makeApi({ stores, authenticator, log: (error) => console.error(error) })
  get = async (path, as, headers = {}) => {
    const authorization = as === undefined ? {} : { authorization: `Bearer ${as}@${secret}` }
    return await api.request(`http://localhost/api/v1${path}`, { headers: { ...authorization, ...headers } })
  }
  await take(nowMs, row('host', 'mirror.test', 5), row('host', 'private.test', 7), row('country', 'DE', 30))
  await take(nowMs - hourMs, row('host', 'mirror.test', 2), row('country', 'VA', 3))
  await take(nowMs, row('repository', 'fedora/base', 9), row('repository', 'was/withdrawn', 4))
  await take(nowMs, row('tag', 'fedora/base:latest', 3), row('tag', 'fedora/base:gone', 2), row('tag', 'secret:x', 1))
  await take(nowMs - 40 * hourMs, row('country', 'DE', 1000))
})
afterAll(async () => {
  await catalogue.destroy()
  await rm(folder, { recursive: true })
})

type Rows = { readonly rows: readonly { subject: string; redirects: number; start?: string }[] }
const subjects = async (answer: Response) =>
  ((await answer.json()) as Rows).rows.map(({ start, subject, redirects }) =>
    [...(start === undefined ? [] : [start]), subject, redirects].join(' '),
  )

test('the catalogue names its columns as the reports name their numbers', () => {
  const snake = (name: string) => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
  expect(measures.map(snake)).toEqual([...numberColumns])
})

describe('who may read', () => {
  test('sees the last day, the most first', async () => {
    expect(await subjects(await get('/statistics?by=host', 'reader'))).toEqual(['mirror.test 7', 'private.test 7'])
    expect(await subjects(await get('/statistics', 'reader'))).toEqual(['DE 30', 'VA 3'])
  })

  test('of another time, by steps', async () => {
    expect(await subjects(await get('/statistics?from=2026-03-01&to=2026-03-15', 'reader'))).toEqual(['DE 1000'])
    expect(await subjects(await get('/statistics?by=host&step=hour&limit=1', 'reader'))).toEqual([
      '2026-03-15T11:00:00.000Z mirror.test 2',
      '2026-03-15T12:00:00.000Z mirror.test 5',
    ])
  })

  test.each([
    ['?format=csv', {}],
    ['?', { accept: 'text/csv' }],
  ])('as CSV with %s %p', async (query, headers) => {
    const answer = await get(`/statistics${query}&by=tag&limit=1`, 'reader', headers)
    expect(answer.headers.get('content-type')).toStartWith('text/csv')
    const lines = (await answer.text()).split('\r\n')
    expect(lines).toEqual([`subject,${measures.join(',')}`, 'fedora/base:latest,3,3000,0,0,0,0,0,0,0,0,0,0,0', ''])
  })

  test.each([
    ['?by=planet', 'by'],
    ['?from=yesterday', 'from: is no time: 2026-03-01'],
    ['?from=2026-03-15&to=2026-03-14', 'before'],
    ['?step=hour&from=2000-01-01&limit=1000', 'rows'],
    ['?channel=candidate', 'public'],
    ['?limit=0', 'limit'],
  ])('is refused %s, and told why', async (query, reason) => {
    const answer = await get(`/statistics${query}`, 'reader')
    expect(answer.status).toBe(400)
    expect(((await answer.json()) as { detail: string }).detail).toContain(reason)
  })
})

test("a host's own token sees that host, and nothing else", async () => {
  expect(await subjects(await get('/statistics?by=host', 'mirror.test'))).toEqual(['mirror.test 7'])
  expect((await get('/statistics?by=country', 'mirror.test')).status).toBe(403)
  expect((await get('/statistics?by=host', 'promoter')).status).toBe(403)
  expect((await get('/statistics?by=host')).status).toBe(401)
})

describe('strangers', () => {
  test.each([
    ['host', ['mirror.test 7', '(other) 7']],
    ['repository', ['fedora/base 9', '(other) 4']],
    ['tag', ['fedora/base:latest 3', '(other) 3']],
    // Three answers of one small country could be those of one person.
    ['country', ['DE 30', '(other) 3']],
  ])('see of each %s what is public now, and the rest as one sum', async (by, expected) => {
    expect(await subjects(await get(`/status/statistics?by=${by}`))).toEqual(expected)
  })

  test('see three periods, nothing finer', async () => {
    expect(await subjects(await get('/status/statistics?by=country&period=month'))).toEqual(['DE 1030', '(other) 3'])
    expect((await get('/status/statistics?period=hour')).status).toBe(400)
  })
})
