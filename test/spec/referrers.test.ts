// end-12: referrers of a subject, filtered and in pages, and the fallback tag of older clients.

import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import {
  type Descriptor,
  describe as describeBlob,
  emptyConfig,
  type Manifest,
  makeImage,
  makeIndex,
  manifestOf,
  pushBlob,
  pushImage,
  pushManifest,
  putManifest,
  randomBlob,
  types,
} from './content.ts'
import { expectError } from './expect-error.ts'
import { type Client, type Registry, type Reply, startRegistry } from './registry.ts'

let registry: Registry
let client: Client
const name = 'referrers/here'
const image = makeImage()
const empty = describeBlob(types.empty, emptyConfig)

beforeAll(async () => {
  registry = await startRegistry()
  client = registry.builder
  await pushImage(client, name, 'latest', image)
  await pushBlob(client, name, emptyConfig)
})
afterAll(async () => await registry[Symbol.asyncDispose]())

const artifact = (subject: Descriptor, more: Record<string, unknown> = {}): Manifest =>
  manifestOf({ schemaVersion: 2, mediaType: types.manifest, config: empty, layers: [empty], subject, ...more })

type Index = { schemaVersion: number; mediaType: string; manifests: (Descriptor & { annotations?: object })[] }

async function list(path: string): Promise<{ answer: Reply; manifests: Index['manifests'] }> {
  const answer = await client.ask('GET', path)
  expect(answer.status).toBe(200)
  expect(answer.headers.get('content-type')).toBe(types.index)
  const index = answer.json<Index>()
  expect([index.schemaVersion, index.mediaType]).toEqual([2, types.index])
  return { answer, manifests: index.manifests }
}

const referrersOf = (digest: string, query = '') => list(`/v2/${name}/referrers/${digest}${query}`)

/** The pages from a first path on, by their Link headers. */
async function pagesFrom(path: string): Promise<Index['manifests'][]> {
  const pages: Index['manifests'][] = []
  for (let next: string | undefined = path; next; ) {
    const { answer, manifests } = await list(next)
    pages.push(manifests)
    next = /^<([^>]+)>; rel="next"$/.exec(answer.headers.get('link') ?? '')?.[1]
  }
  return pages
}

test.each(['sha256', 'sha512'] as const)(
  'of what nobody refers to, or nobody knows: an empty index (%s)',
  async (algorithm) => {
    expect((await referrersOf(randomBlob(1, algorithm).digest)).manifests).toEqual([])
    expect((await list(`/v2/no/such/referrers/${image.manifest.digest}`)).manifests).toEqual([])
  },
)

test('HEAD has the headers', async () => {
  const answer = await client.ask('HEAD', `/v2/${name}/referrers/${image.manifest.digest}`)
  expect([answer.status, answer.headers.get('content-type')]).toEqual([200, types.index])
})

describe('a push with a subject', () => {
  const pushed = [
    artifact(image.manifest.descriptor, { artifactType: types.example, annotations: { 'org.example.a': 'b' } }),
    artifact(image.manifest.descriptor, { artifactType: types.otherExample }),
    artifact(image.manifest.descriptor),
    manifestOf({ schemaVersion: 2, mediaType: types.index, manifests: [], subject: image.manifest.descriptor }),
  ]
  const [first, , untyped, index] = pushed as [Manifest, Manifest, Manifest, Manifest]

  test('is told by OCI-Subject', async () => {
    for (const manifest of pushed) {
      const answer = await putManifest(client, name, manifest.digest, manifest)
      expect([answer.status, answer.headers.get('oci-subject')]).toEqual([201, image.manifest.digest])
    }
  })

  test('is listed with its type, annotations and size', async () => {
    const { manifests } = await referrersOf(image.manifest.digest)
    expect(manifests.map(({ digest }) => digest)).toEqual(pushed.map(({ digest }) => digest).sort())
    const of = (manifest: Manifest) => manifests.find(({ digest }) => digest === manifest.digest)
    expect(of(first)).toEqual({
      ...first.descriptor,
      artifactType: types.example,
      annotations: { 'org.example.a': 'b' },
    })
    // Without a type of its own, an image manifest has that of its config; an index has none.
    expect(of(untyped)).toEqual({ ...untyped.descriptor, artifactType: types.empty })
    expect(of(index)).toEqual(index.descriptor)
  })

  test('is filtered by artifactType, which OCI-Filters-Applied says', async () => {
    const { answer, manifests } = await referrersOf(image.manifest.digest, `?artifactType=${types.example}`)
    expect(answer.headers.get('oci-filters-applied')).toBe('artifactType')
    expect(manifests.map(({ digest }) => digest)).toEqual([first.digest])
    expect((await referrersOf(image.manifest.digest)).answer.headers.get('oci-filters-applied')).toBeNull()
    expect((await referrersOf(image.manifest.digest, '?artifactType=application/none')).manifests).toEqual([])
  })

  test('comes in pages that Link joins', async () => {
    const path = `/v2/${name}/referrers/${image.manifest.digest}`
    const all = (await list(path)).manifests
    for (const n of [1, 2, 3, 4, 5]) {
      const pages = await pagesFrom(`${path}?n=${n}`)
      expect(pages.map((page) => page.length <= n)).not.toContain(false)
      expect(pages.flat()).toEqual(all)
    }
    const filtered = await pagesFrom(`${path}?n=1&artifactType=${types.otherExample}`)
    expect(filtered.map((page) => page.length)).toEqual([1])
    expect((await list(`${path}?n=0`)).manifests).toEqual([])
  })

  test('leaves the list when it is deleted', async () => {
    await registry.admin.ask('DELETE', `/v2/${name}/manifests/${index.digest}`)
    const { manifests } = await referrersOf(image.manifest.digest)
    expect(manifests.map(({ digest }) => digest)).not.toContain(index.digest)
  })

  test('stays in its repository', async () => {
    await pushImage(client, 'referrers/other', 'latest', image)
    expect((await list(`/v2/referrers/other/referrers/${image.manifest.digest}`)).manifests).toEqual([])
  })
})

test('the subject may come later, or never', async () => {
  const subject = makeImage()
  const early = artifact(subject.manifest.descriptor, { artifactType: types.example })
  const answer = await putManifest(client, name, 'early', early)
  expect([answer.status, answer.headers.get('oci-subject')]).toEqual([201, subject.manifest.digest])
  expect((await referrersOf(subject.manifest.digest)).manifests).toHaveLength(1)
  await pushImage(client, name, 'late', subject)
  expect((await referrersOf(subject.manifest.digest)).manifests).toHaveLength(1)
})

test('a page is no larger than a manifest may be', async () => {
  const subject = randomBlob(1)
  const descriptor = describeBlob(types.manifest, subject)
  const large = Array.from({ length: 5 }, (_, at) =>
    artifact(descriptor, { annotations: { serial: String(at), large: 'A'.repeat(1_500_000) } }),
  )
  for (const manifest of large) await pushManifest(client, name, manifest.digest, manifest)
  const path = `/v2/${name}/referrers/${subject.digest}`
  expect((await client.ask('GET', path)).bytes.length).toBeLessThanOrEqual(4 << 20)
  const pages = await pagesFrom(path)
  expect(pages.map((page) => page.length)).toEqual([2, 2, 1])
  expect(pages.flat().map(({ digest }) => digest)).toEqual(large.map(({ digest }) => digest).sort())
})

describe('the fallback tag', () => {
  test.each(['sha256', 'sha512'] as const)('%s: what a client listed there is listed here', async (algorithm) => {
    const subject = randomBlob(10, algorithm)
    const listed = manifestOf({
      schemaVersion: 2,
      mediaType: types.manifest,
      artifactType: types.example,
      config: empty,
      layers: [],
      annotations: { for: algorithm },
    })
    const other = artifact(image.manifest.descriptor, { annotations: { of: 'another subject', for: algorithm } })
    for (const manifest of [listed, other]) await pushManifest(client, name, manifest.digest, manifest)
    const tag = subject.digest.replace(':', '-').slice(0, 7 + 64)
    await pushManifest(client, name, tag, makeIndex([listed, other]))
    const { manifests } = await referrersOf(subject.digest)
    expect(manifests.map(({ digest }) => digest)).toEqual([listed.digest])
    await registry.admin.ask('DELETE', `/v2/${name}/manifests/${tag}`)
    expect((await referrersOf(subject.digest)).manifests).toEqual([])
  })
})

const refused: [string, string, number, string][] = [
  ['GET', 'latest', 400, 'DIGEST_INVALID'],
  ['GET', 'sha256:abc', 400, 'DIGEST_INVALID'],
  ['GET', `${image.manifest.digest}?n=-1`, 400, 'PAGINATION_NUMBER_INVALID'],
  ['GET', `${image.manifest.digest}?n=x`, 400, 'PAGINATION_NUMBER_INVALID'],
  ['PUT', image.manifest.digest, 405, 'UNSUPPORTED'],
]
test.each(refused)('%s %s is refused', async (method, last, status, code) => {
  expectError(await client.ask(method, `/v2/${name}/referrers/${last}`), status, code)
})
