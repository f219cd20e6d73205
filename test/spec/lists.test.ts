// end-8 and the catalogue: lists in byte order, in pages.

import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { describe as describeBlob, emptyConfig, manifestOf, pushBlob, pushManifest, types } from './content.ts'
import { expectError } from './expect-error.ts'
import { type Client, type Registry, startRegistry } from './registry.ts'

let registry: Registry
let client: Client
const name = 'lists/tags'
const tags = ['0', '1.0', 'A', 'B-1', 'Z', '_x', 'a', 'aa', 'b.2', 'z', 'z_z']
const repositories = ['lists/tags', 'lists-1', 'lists/a/b', 'lists.a', 'lists_a', 'lists']
const empty = describeBlob(types.empty, emptyConfig)
const manifest = manifestOf({ schemaVersion: 2, mediaType: types.manifest, config: empty, layers: [] })

beforeAll(async () => {
  registry = await startRegistry({ FLOTILLA_MAX_PAGE_SIZE: '5' })
  client = registry.builder
  for (const repository of repositories) {
    await pushBlob(client, repository, emptyConfig)
    await pushManifest(client, repository, 'latest', manifest)
  }
  for (const tag of [...tags].reverse()) await pushManifest(client, name, tag, manifest)
  await registry.admin.ask('DELETE', `/v2/${name}/manifests/latest`)
})
afterAll(async () => await registry[Symbol.asyncDispose]())

async function pagesFrom<T>(path: string, key: string): Promise<T[][]> {
  const pages: T[][] = []
  for (let next: string | undefined = path; next; ) {
    const answer = await client.ask('GET', next)
    expect([answer.status, answer.headers.get('content-type')]).toEqual([200, 'application/json'])
    pages.push(answer.json<Record<string, T[]>>()[key]!)
    next = /^<([^>]+)>; rel="next"$/.exec(answer.headers.get('link') ?? '')?.[1]
  }
  return pages
}

describe('tags/list', () => {
  test('names the repository and all tags in byte order, a page after the other', async () => {
    const answer = await client.ask('GET', `/v2/${name}/tags/list`)
    expect(answer.json<unknown>()).toEqual({ name, tags: tags.slice(0, 5) })
    expect(answer.headers.get('link')).toBe(`</v2/${name}/tags/list?n=5&last=Z>; rel="next"`)
    expect((await pagesFrom<string>(`/v2/${name}/tags/list`, 'tags')).flat()).toEqual(tags)
  })

  test.each([1, 2, 3, 4, 5, 2147483647])('n=%d', async (n) => {
    const pages = await pagesFrom<string>(`/v2/${name}/tags/list?n=${n}`, 'tags')
    expect(pages.flat()).toEqual(tags)
    expect(pages[0]).toHaveLength(Math.min(n, 5))
  })

  test('n=0 is an empty page without a Link', async () => {
    const answer = await client.ask('GET', `/v2/${name}/tags/list?n=0`)
    expect(answer.json<unknown>()).toEqual({ name, tags: [] })
    expect(answer.headers.get('link')).toBeNull()
  })

  test.each([
    ['Z', ['_x', 'a', 'aa', 'b.2', 'z']],
    ['aaa', ['b.2', 'z', 'z_z']],
    ['z_z', []],
    ['', tags.slice(0, 5)],
    ["' or 1=1 --", tags.slice(0, 5)],
  ] as const)('last=%s, which need not be there', async (last, expected) => {
    const answer = await client.ask('GET', `/v2/${name}/tags/list?${new URLSearchParams({ last })}`)
    expect(answer.json<{ tags: string[] }>().tags).toEqual([...expected])
  })

  test('a repository whose last tag went has none; one that never was is NAME_UNKNOWN', async () => {
    await pushBlob(client, 'lists/none', emptyConfig)
    await pushManifest(client, 'lists/none', 'only', manifest)
    await registry.admin.ask('DELETE', '/v2/lists/none/manifests/only')
    const answer = await client.ask('GET', '/v2/lists/none/tags/list')
    expect(answer.json<unknown>()).toEqual({ name: 'lists/none', tags: [] })
    await registry.admin.ask('DELETE', `/v2/lists/none/manifests/${manifest.digest}`)
    expectError(await client.ask('GET', '/v2/lists/never/tags/list'), 404, 'NAME_UNKNOWN')
  })

  test('HEAD has the headers', async () => {
    const answer = await client.ask('HEAD', `/v2/${name}/tags/list`)
    expect([answer.status, answer.bytes.length]).toEqual([200, 0])
  })
})

describe('_catalog', () => {
  test.each([1, 2, 5])('all repositories that hold a manifest, in byte order, n=%d', async (n) => {
    const pages = await pagesFrom<string>(`/v2/_catalog?n=${n}`, 'repositories')
    expect(pages.flat()).toEqual([...repositories].sort())
    expect(pages[0]).toHaveLength(n)
  })

  test('pages of what one robot may pull', async () => {
    const robot = await registry.robot('lister', 'repository:lists/**:pull')
    const first = await robot.ask('GET', '/v2/_catalog?n=1')
    expect(first.json<unknown>()).toEqual({ repositories: ['lists/a/b'] })
    expect(first.headers.get('link')).toBe('</v2/_catalog?n=1&last=lists%2Fa%2Fb>; rel="next"')
    const second = await robot.ask('GET', '/v2/_catalog?n=1&last=lists%2Fa%2Fb')
    expect(second.json<unknown>()).toEqual({ repositories: ['lists/tags'] })
    expect(second.headers.get('link')).toBeNull()
  })
})

const numbers = ['-1', '1e3', '1.5', 'x', '', '%20', '2147483648', String(10 ** 12), '9'.repeat(400)]
test.each(numbers)('n=%s is PAGINATION_NUMBER_INVALID', async (n) => {
  for (const path of [`/v2/${name}/tags/list`, '/v2/_catalog'])
    expectError(await client.ask('GET', `${path}?n=${n}`), 400, 'PAGINATION_NUMBER_INVALID')
})

test.each([
  ['POST', `/v2/${name}/tags/list`, 'GET, HEAD'],
  ['DELETE', `/v2/${name}/tags/list`, 'GET, HEAD'],
  ['POST', '/v2/_catalog', 'GET, HEAD'],
  ['POST', '/v2/', 'GET, HEAD'],
  ['OPTIONS', `/v2/${name}/manifests/latest`, 'GET, HEAD, PUT, DELETE'],
  ['PUT', `/v2/${name}/blobs/${emptyConfig.digest}`, 'GET, HEAD, DELETE'],
  ['GET', `/v2/${name}/blobs/uploads/`, 'POST'],
  ['PUT', '/token', 'GET, POST'],
])('%s %s is UNSUPPORTED, and Allow tells what is not', async (method, path, allow) => {
  const answer = await registry.admin.ask(method, path)
  expectError(answer, 405, 'UNSUPPORTED')
  expect(answer.headers.get('allow')).toBe(allow)
})
