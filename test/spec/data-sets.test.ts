// Whole pushes, one after the other, as the specification's own conformance suite does them: push, list, head, pull, referrers, delete,
// for each kind of content that a registry must carry unchanged.

import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import {
  type Algorithm,
  type Blob,
  blobOf,
  type Descriptor,
  describe as describeBlob,
  emptyConfig,
  layerBlob,
  type Manifest,
  makeImage,
  makeIndex,
  manifestOf,
  pushBlob,
  putManifest,
  randomBlob,
  types,
} from './content.ts'
import { type Client, type Registry, startRegistry } from './registry.ts'

let registry: Registry
let client: Client
const name = 'data/sets'

beforeAll(async () => {
  registry = await startRegistry()
  client = registry.builder
})
afterAll(async () => await registry[Symbol.asyncDispose]())

type DataSet = {
  readonly blobs: readonly Blob[]
  /** In the order of their push. */
  readonly manifests: readonly Manifest[]
  readonly tags: Readonly<Record<string, Manifest>>
  /** Sends the tags as parameters of the push by digest. */
  readonly hasTagParameters?: boolean
}

function image(tag: string, more: Record<string, unknown> = {}): DataSet {
  const { blobs, manifest } = makeImage(more)
  return { blobs, manifests: [manifest], tags: { [tag]: manifest } }
}

function index(tag: string | undefined, algorithm: Algorithm = 'sha256', more: Record<string, unknown> = {}): DataSet {
  const images = [makeImage(more, algorithm), makeImage(more, algorithm)]
  const top = makeIndex(
    images.map((one) => one.manifest),
    more,
    algorithm,
  )
  return {
    blobs: images.flatMap((one) => one.blobs),
    manifests: [...images.map((one) => one.manifest), top],
    tags: tag === undefined ? {} : { [tag]: top },
  }
}

function artifact(
  more: Record<string, unknown> = {},
  layer: Blob = randomBlob(2048),
): { blobs: Blob[]; manifest: Manifest } {
  const manifest = manifestOf({
    schemaVersion: 2,
    mediaType: types.manifest,
    artifactType: types.example,
    config: describeBlob(types.empty, emptyConfig),
    layers: [describeBlob(types.example, layer)],
    ...more,
  })
  return { blobs: [emptyConfig, layer], manifest }
}

function referrers(subject: Descriptor): { blobs: Blob[]; manifests: Manifest[] } {
  const made = [
    artifact({ subject, annotations: { 'org.example.one': 'hello' } }),
    artifact({ subject, artifactType: types.otherExample }),
  ]
  return { blobs: made.flatMap((one) => one.blobs), manifests: made.map((one) => one.manifest) }
}

function dataField(): DataSet {
  const withData = (mediaType: string, blob: Blob) =>
    describeBlob(mediaType, blob, { data: blob.bytes.toString('base64') })
  const layer = layerBlob()
  const manifest = manifestOf({
    schemaVersion: 2,
    mediaType: types.manifest,
    config: withData(types.empty, emptyConfig),
    layers: [withData(types.gzipLayer, layer)],
  })
  return { blobs: [emptyConfig, layer], manifests: [manifest], tags: { 'data-field': manifest } }
}

const sets: Record<string, () => DataSet> = {
  image: () => image('image'),
  'an image of uncompressed layers': () => {
    const layer = layerBlob('sha256', false)
    const config = blobOf('{"os":"linux"}')
    const manifest = manifestOf({
      schemaVersion: 2,
      mediaType: types.manifest,
      config: describeBlob(types.config, config),
      layers: [describeBlob(types.layer, layer)],
    })
    return { blobs: [layer, config], manifests: [manifest], tags: { uncompressed: manifest } }
  },
  'a manifest just under 4 MiB': () =>
    image('large', {
      annotations: Object.fromEntries(Array.from({ length: 390 }, (_, at) => [`large-${at}`, 'A'.repeat(10_000)])),
    }),
  index: () => index('index'),
  'an index of indexes': () => {
    const [one, two] = [index(undefined), index(undefined)]
    const top = makeIndex([one.manifests.at(-1)!, two.manifests.at(-1)!])
    return {
      blobs: [...one.blobs, ...two.blobs],
      manifests: [...one.manifests, ...two.manifests, top],
      tags: { nested: top },
    }
  },
  'an empty index': () => {
    const top = makeIndex([])
    return { blobs: [], manifests: [top], tags: { 'empty-index': top } }
  },
  'an artifact': () => {
    const { blobs, manifest } = artifact()
    return { blobs, manifests: [manifest], tags: { artifact: manifest } }
  },
  'an artifact whose only layer is empty JSON': () => {
    const { blobs, manifest } = artifact({}, emptyConfig)
    return { blobs, manifests: [manifest], tags: { 'artifact-without-layers': manifest } }
  },
  'an index of artifacts': () => index('artifact-index', 'sha256', { artifactType: types.example }),
  'an image and its referrers': () => {
    const subject = image('subject')
    const { blobs, manifests } = referrers(subject.manifests[0]!.descriptor)
    return {
      blobs: [...subject.blobs, ...blobs],
      manifests: [...subject.manifests, ...manifests],
      tags: { ...subject.tags, 'tagged-artifact': manifests[0]! },
    }
  },
  'an index that refers to an index': () => {
    const subject = index('subject-index')
    const own = index(undefined, 'sha256', {
      artifactType: types.example,
      subject: subject.manifests.at(-1)!.descriptor,
      annotations: { 'org.example.one': 'hello' },
    })
    return {
      blobs: [...subject.blobs, ...own.blobs],
      manifests: [...subject.manifests, ...own.manifests],
      tags: subject.tags,
    }
  },
  'referrers of a missing subject': () => {
    const { blobs, manifests } = referrers(describeBlob(types.manifest, blobOf('missing content')))
    return { blobs, manifests, tags: { 'of-missing': manifests[0]! } }
  },
  'a data field in descriptors': dataField,
  'non-distributable layers': () => {
    const elsewhere = randomBlob(16)
    const foreign = { ...describeBlob(types.foreignLayer, elsewhere), size: 123_456 }
    const layer = layerBlob()
    const manifest = manifestOf({
      schemaVersion: 2,
      mediaType: types.manifest,
      config: describeBlob(types.empty, emptyConfig),
      layers: [
        { ...foreign, urls: [`https://store.example.com/blobs/${elsewhere.digest}`] },
        { ...foreign, mediaType: types.foreignLayer.replace('+gzip', '') },
        describeBlob(types.gzipLayer, layer),
      ],
    })
    return { blobs: [emptyConfig, layer], manifests: [manifest], tags: { foreign: manifest } }
  },
  'fields that no specification knows': () => {
    const odd = { 'org.example.unknown': { of: ['any', 1, null] }, manifestsToo: [] }
    return index('custom-fields', 'sha256', odd)
  },
  'no layers': () => {
    const manifest = manifestOf({
      schemaVersion: 2,
      mediaType: types.manifest,
      config: describeBlob(types.empty, emptyConfig),
      layers: [],
    })
    return { blobs: [emptyConfig], manifests: [manifest], tags: { 'no-layers': manifest } }
  },
  'digests of sha512': () => index(undefined, 'sha512'),
  'tag parameters': () => withTwoTags(index('tag-param'), 'tag-param'),
  'tag parameters and sha512': () => withTwoTags(index('tag-param-sha512', 'sha512'), 'tag-param-sha512'),
}

function withTwoTags(set: DataSet, prefix: string): DataSet {
  const numbered = Object.fromEntries(set.manifests.map((manifest, at) => [`${prefix}-${at}`, manifest]))
  return { ...set, tags: { ...set.tags, ...numbered }, hasTagParameters: true }
}

const at = (reference: string) => `/v2/${name}/manifests/${reference}`

async function push({ blobs, manifests, tags, hasTagParameters }: DataSet): Promise<void> {
  for (const blob of blobs) await pushBlob(client, name, blob)
  for (const manifest of manifests) {
    const own = Object.keys(tags).filter((tag) => tags[tag] === manifest)
    const query = hasTagParameters ? `?${own.map((tag) => `tag=${tag}`).join('&')}` : ''
    const answer = await putManifest(client, name, `${manifest.digest}${query}`, manifest)
    expect([answer.status, answer.headers.get('docker-content-digest')]).toEqual([201, manifest.digest])
    if (hasTagParameters) expect(answer.headers.get('oci-tag')).toBe(own.join(', '))
    expect(answer.headers.get('oci-subject')).toBe(subjectOf(manifest) ?? null)
    const read = await client.ask('GET', answer.headers.get('location')!)
    expect([read.status, read.bytes.equals(manifest.bytes)]).toEqual([200, true])
  }
  if (hasTagParameters) return
  for (const [tag, manifest] of Object.entries(tags))
    expect((await putManifest(client, name, tag, manifest)).status).toBe(201)
}

function subjectOf(manifest: Manifest): string | undefined {
  return JSON.parse(manifest.bytes.toString()).subject?.digest
}

async function pull({ blobs, manifests, tags }: DataSet): Promise<void> {
  const accept = `${types.index}, ${types.manifest}`
  const references = [...manifests.map((one) => [one.digest, one] as const), ...Object.entries(tags)]
  for (const [reference, manifest] of references) {
    for (const method of ['HEAD', 'GET']) {
      const answer = await client.ask(method, at(reference), { headers: { accept } })
      expect(answer.status).toBe(200)
      expect(answer.headers.get('docker-content-digest')).toBe(manifest.digest)
      expect(answer.headers.get('content-type')).toBe(manifest.mediaType)
      expect(answer.headers.get('content-length')).toBe(String(manifest.bytes.length))
      if (method === 'GET') expect(answer.bytes.equals(manifest.bytes)).toBe(true)
    }
  }
  for (const blob of blobs) {
    for (const method of ['HEAD', 'GET']) {
      const answer = await client.ask(method, `/v2/${name}/blobs/${blob.digest}`)
      expect([answer.status, answer.headers.get('content-length')]).toEqual([200, String(blob.bytes.length)])
      expect(answer.headers.get('docker-content-digest')).toBe(blob.digest)
      if (method === 'GET') expect(answer.bytes.equals(blob.bytes)).toBe(true)
    }
  }
}

async function remove({ blobs, manifests, tags }: DataSet): Promise<void> {
  const paths = [
    ...Object.keys(tags).map(at),
    ...[...manifests].reverse().map((one) => at(one.digest)),
    ...[...new Set(blobs.map((one) => one.digest))].map((digest) => `/v2/${name}/blobs/${digest}`),
  ]
  for (const path of paths) {
    expect((await registry.admin.ask('DELETE', path)).status).toBe(202)
    expect((await client.ask('HEAD', path)).status).toBe(404)
  }
}

type Listed = Descriptor & { readonly artifactType?: string; readonly annotations?: object }

async function checkReferrers(manifests: readonly Manifest[]): Promise<void> {
  const subjects = new Set(manifests.map(subjectOf).filter((digest) => digest !== undefined))
  for (const subject of subjects) {
    const expected = manifests.filter((one) => subjectOf(one) === subject)
    const list = async (query = '') => {
      const answer = await client.ask('GET', `/v2/${name}/referrers/${subject}${query}`)
      if (query) expect(answer.headers.get('oci-filters-applied')).toBe('artifactType')
      return answer.json<{ manifests: Listed[] }>().manifests
    }
    const all = await list()
    expect(all.map((one) => one.digest)).toEqual(expected.map((one) => one.digest).sort())
    for (const one of all) {
      const manifest = expected.find(({ digest }) => digest === one.digest)!
      const value = JSON.parse(manifest.bytes.toString())
      expect(one).toEqual({
        ...manifest.descriptor,
        ...((value.artifactType ?? value.config) && { artifactType: value.artifactType ?? value.config.mediaType }),
        ...(value.annotations && { annotations: value.annotations }),
      })
      if (one.artifactType) {
        const same = all.filter((other) => other.artifactType === one.artifactType)
        expect(await list(`?artifactType=${encodeURIComponent(one.artifactType)}`)).toEqual(same)
      }
    }
  }
}

describe.each(Object.entries(sets))('%s', (_, make) => {
  test('is pushed, listed, pulled unchanged, and deleted', async () => {
    const set = make()
    await push(set)
    const list = await client.ask('GET', `/v2/${name}/tags/list`)
    expect(list.json<{ tags: string[] }>().tags).toEqual(Object.keys(set.tags).sort())
    await pull(set)
    await checkReferrers(set.manifests)
    await remove(set)
  })
})
