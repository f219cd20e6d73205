// Names, tags and paths: at their limits, over them, and in every spelling that could mean something else.

import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { ask as askByWire } from '../kit/wire.ts'
import { describe as describeBlob, emptyConfig, manifestOf, pushBlob, pushManifest, types } from './content.ts'
import { expectError } from './expect-error.ts'
import { type Client, type Registry, startRegistry, traces } from './registry.ts'

let registry: Registry
let client: Client
const empty = describeBlob(types.empty, emptyConfig)
const manifest = manifestOf({ schemaVersion: 2, mediaType: types.manifest, config: empty, layers: [] })

beforeAll(async () => {
  registry = await startRegistry()
  client = registry.builder
  await pushBlob(client, 'names/here', emptyConfig)
  await pushManifest(client, 'names/here', 'latest', manifest)
})
afterAll(async () => await registry[Symbol.asyncDispose]())

/** By the byte: fetch would fold and escape. */
async function raw(method: string, path: string): Promise<{ status: number; headers: Headers; text: string }> {
  const request = `${method} ${path} HTTP/1.1\nHost: registry\nAuthorization: ${client.basic}\nContent-Length: 0\nConnection: close\n\n`
  const answer = await askByWire({ port: registry.port }, request)
  const headers = new Headers({ 'content-type': answer.header('content-type') ?? '' })
  return { status: answer.status, headers, text: answer.body.toString() }
}

describe('names', () => {
  const good = [
    'a',
    '0',
    'a/b/c/d/e/f/g',
    'a.b_c__d-e---f',
    'a'.repeat(255),
    `${'a/'.repeat(127)}a`,
    'names/blobs/uploads',
    'names/manifests/latest',
    'names/tags/list',
    'names/referrers',
    'v2/token',
  ]
  test.each(good)('%s', async (name) => {
    await pushBlob(client, name, emptyConfig)
    await pushManifest(client, name, 'latest', manifest)
    expect((await client.ask('HEAD', `/v2/${name}/blobs/${emptyConfig.digest}`)).status).toBe(200)
    expect((await client.ask('HEAD', `/v2/${name}/manifests/latest`)).status).toBe(200)
    expect((await client.ask('GET', `/v2/${name}/tags/list`)).json<unknown>()).toEqual({ name, tags: ['latest'] })
    expect((await client.ask('GET', `/v2/${name}/referrers/${manifest.digest}`)).status).toBe(200)
  })

  const bad = [
    'a'.repeat(256),
    'A',
    'Library/x',
    '-a',
    'a-',
    '.a',
    'a.',
    'a..b',
    'a._b',
    'a___b',
    'a//b',
    'a/',
    '/a',
    'a/./b',
    'a/../b',
    '../a',
    '..',
    'a/%2e%2e/b',
    'a/%2E./b',
    'a/..%2fb',
    'a%2fb',
    'a%2Fb',
    'a%5cb',
    'a\\..\\b',
    'a/..;/b',
    '%61',
    'a%00',
    'a%0d%0ax',
    'a%20b',
    'a+b',
    'a:5000/b',
    'a@b',
    'é',
    '%c3%a9',
    '%u002e%u002e',
    '%252e%252e',
    'a/%e2%80%a5/b',
  ]
  test.each(bad)('%s is NAME_INVALID at every endpoint', async (name) => {
    const before = traces(registry)
    const { digest } = emptyConfig
    // A byte above 127 has no place in a request line at all.
    const isRefused = (answer: Awaited<ReturnType<typeof raw>>) =>
      /[^\x20-\x7e]/.test(name) ? expect(answer.status).toBe(400) : expectError(answer, 400, 'NAME_INVALID')
    for (const [method, path] of [
      ['GET', `/v2/${name}/tags/list`],
      ['GET', `/v2/${name}/manifests/latest`],
      ['PUT', `/v2/${name}/manifests/latest`],
      ['GET', `/v2/${name}/blobs/${digest}`],
      ['POST', `/v2/${name}/blobs/uploads/`],
      ['GET', `/v2/${name}/blobs/uploads/00000000-0000-4000-8000-000000000000`],
      ['GET', `/v2/${name}/referrers/${digest}`],
    ] as const)
      isRefused(await raw(method, path))
    expect(traces(registry)).toEqual(before)
  })
})

describe('tags', () => {
  test.each(['a', '_', '0.1-rc_2', 'A'.repeat(128), '1.2.3', 'x..y', '_-.'])('%s', async (tag) => {
    await pushManifest(client, 'names/tags', tag, manifest).catch(async () => {
      await pushBlob(client, 'names/tags', emptyConfig)
      await pushManifest(client, 'names/tags', tag, manifest)
    })
    expect((await client.ask('HEAD', `/v2/names/tags/manifests/${tag}`)).status).toBe(200)
  })

  test.each(['A'.repeat(129), '-a', '.a', '..', '%2e%2e', 'a%2fb', 'a+b', 'a%20b', 'a%00', 'é', 'a@b', 'a,b', "a'b"])(
    '%s is TAG_INVALID to PUT and unknown to GET',
    async (tag) => {
      const before = traces(registry)
      const put = await raw('PUT', `/v2/names/here/manifests/${tag}`)
      const get = await raw('GET', `/v2/names/here/manifests/${tag}`)
      if (/[^\x20-\x7e]/.test(tag)) {
        expect([put.status, get.status]).toEqual([400, 400])
      } else {
        expectError(put, 400, 'TAG_INVALID')
        expectError(get, 404, 'MANIFEST_UNKNOWN')
      }
      expect(traces(registry)).toEqual(before)
    },
  )
})

describe('paths', () => {
  const cases: [string, number, string][] = [
    ['/', 404, 'NOT_FOUND'],
    ['/v1/', 404, 'NOT_FOUND'],
    ['/v2/../v2/', 404, 'NOT_FOUND'],
    ['//v2/', 404, 'NOT_FOUND'],
    ['/v2/names', 404, 'NOT_FOUND'],
    ['/v2/names/here', 404, 'NOT_FOUND'],
    ['/v2/names/here/tags', 404, 'NOT_FOUND'],
    ['/v2/names/here/tags/', 404, 'NOT_FOUND'],
    ['/v2/names/here/manifests', 404, 'NOT_FOUND'],
    ['/v2/tags/list', 404, 'NOT_FOUND'],
    ['/v2/names/here/manifests/', 404, 'MANIFEST_UNKNOWN'],
    ['/v2/names/here/blobs/', 400, 'DIGEST_INVALID'],
    ['/v2/%2e%2e/token', 404, 'NOT_FOUND'],
    ['/v2/names/here/manifests/latest/../../../../../keys/admin-token', 404, 'NOT_FOUND'],
    ['/v2/names/here/blobs/../manifests/latest', 400, 'NAME_INVALID'],
    ['*', 400, 'REQUEST_INVALID'],
  ]
  test.each(cases)('%s', async (path, status, code) => {
    expectError(await raw('GET', path), status, code)
  })

  test('in absolute form the authority is passed over', async () => {
    expect((await raw('GET', 'http://other.example/v2/names/here/manifests/latest')).status).toBe(200)
  })

  test('a digest in a path is no way into another folder', async () => {
    const before = traces(registry)
    for (const digest of [
      'sha256:..',
      `sha256:${'.'.repeat(64)}`,
      `sha256:${'/..'.repeat(21)}x`,
      `sha256:${'A'.repeat(64)}`,
    ])
      expect((await raw('GET', `/v2/names/here/blobs/${digest}`)).status).toBeGreaterThanOrEqual(400)
    expectError(await raw('PUT', '/v2/names/here/manifests/sha256:../../x'), 404, 'NOT_FOUND')
    expect(traces(registry)).toEqual(before)
  })
})
