// end-3, 7 and 9: manifests are kept and sent as the bytes that were pushed.

import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import {
  type Descriptor,
  describe as describeBlob,
  emptyConfig,
  layerBlob,
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
import { type Client, type Registry, startRegistry, traces } from './registry.ts'

let registry: Registry
let client: Client
const name = 'manifests/here'
const at = (reference: string) => `/v2/${name}/manifests/${reference}`
const image = makeImage()

beforeAll(async () => {
  registry = await startRegistry()
  client = registry.builder
  await pushImage(client, name, 'latest', image)
  await pushBlob(client, name, emptyConfig)
})
afterAll(async () => await registry[Symbol.asyncDispose]())

const emptyLayer = describeBlob(types.empty, emptyConfig)
const manifestWith = (more: Record<string, unknown>) =>
  manifestOf({ schemaVersion: 2, mediaType: types.manifest, config: emptyLayer, layers: [emptyLayer], ...more })

describe('a manifest is read', () => {
  test.each(['GET', 'HEAD'])('%s by tag and by digest', async (method) => {
    for (const reference of ['latest', image.manifest.digest]) {
      const answer = await client.ask(method, at(reference))
      expect(answer.status).toBe(200)
      expect(answer.headers.get('content-type')).toBe(types.manifest)
      expect(answer.headers.get('content-length')).toBe(String(image.manifest.bytes.length))
      expect(answer.headers.get('docker-content-digest')).toBe(image.manifest.digest)
      expect(answer.headers.get('content-encoding')).toBeNull()
      // What a tag answers depends on Accept; what a digest answers does not.
      expect(answer.headers.get('vary')).toBe(reference === 'latest' ? 'accept' : null)
      expect(answer.bytes.equals(method === 'GET' ? image.manifest.bytes : Buffer.alloc(0))).toBe(true)
    }
  })

  const accepts: [string, number][] = [
    [types.manifest, 200],
    [`${types.index}, ${types.manifest}`, 200],
    [`${types.dockerManifest};q=0.5, ${types.manifest};q=0.1`, 200],
    ['*/*', 200],
    ['application/*', 200],
    ['', 200],
    [types.dockerManifest, 404],
    ['text/html', 404],
  ]
  test.each(accepts)('by tag with Accept: %s', async (accept, status) => {
    const answer = await client.ask('GET', at('latest'), { headers: { accept } })
    expect(answer.status).toBe(status)
    if (status === 404) expectError(answer, 404, 'MANIFEST_UNKNOWN')
    // The digest names bytes; there is nothing to negotiate.
    expect((await client.ask('GET', at(image.manifest.digest), { headers: { accept } })).status).toBe(200)
  })

  test('If-None-Match with its digest is 304', async () => {
    const etag = `"${image.manifest.digest}"`
    const answer = await client.ask('GET', at('latest'), { headers: { 'if-none-match': etag } })
    expect([answer.status, answer.text, answer.headers.get('etag')]).toEqual([304, '', etag])
  })

  const missing: [string, string, number, string][] = [
    ['GET', 'nothing', 404, 'MANIFEST_UNKNOWN'],
    ['GET', randomBlob(1).digest, 404, 'MANIFEST_UNKNOWN'],
    ['GET', randomBlob(1, 'sha512').digest, 404, 'MANIFEST_UNKNOWN'],
    ['GET', 'sha256:baddigeststring', 400, 'DIGEST_INVALID'],
    ['GET', '-no-tag', 404, 'MANIFEST_UNKNOWN'],
    ['DELETE', 'nothing', 404, 'MANIFEST_UNKNOWN'],
    ['DELETE', randomBlob(1).digest, 404, 'MANIFEST_UNKNOWN'],
    ['DELETE', 'sha256:x', 400, 'DIGEST_INVALID'],
    ['POST', 'latest', 405, 'UNSUPPORTED'],
    ['PATCH', 'latest', 405, 'UNSUPPORTED'],
  ]
  test.each(missing)('%s of %s', async (method, reference, status, code) => {
    expectError(await registry.admin.ask(method, at(reference)), status, code)
  })

  test('of another repository is not there', async () => {
    const path = `/v2/manifests/elsewhere/manifests/${image.manifest.digest}`
    expectError(await client.ask('GET', path), 404, 'MANIFEST_UNKNOWN')
    expectError(await registry.admin.ask('DELETE', path), 404, 'NAME_UNKNOWN')
  })
})

describe('a manifest is pushed', () => {
  test.each(['sha256', 'sha512'] as const)('by digest (%s) and by tag, with Location and digest', async (algorithm) => {
    const pushed = makeImage({}, algorithm)
    for (const blob of pushed.blobs) await pushBlob(client, name, blob)
    const references = algorithm === 'sha256' ? [pushed.manifest.digest, 'by-tag'] : [pushed.manifest.digest]
    for (const reference of references) {
      const answer = await putManifest(client, name, reference, pushed.manifest)
      expect([answer.status, answer.text]).toEqual([201, ''])
      expect(answer.headers.get('docker-content-digest')).toBe(pushed.manifest.digest)
      expect(answer.headers.get('location')).toBe(at(pushed.manifest.digest))
      expect(answer.headers.get('oci-subject')).toBeNull()
      expect(answer.headers.get('oci-tag')).toBeNull()
      const read = await client.ask('GET', answer.headers.get('location')!)
      expect([read.headers.get('content-type'), read.bytes.equals(pushed.manifest.bytes)]).toEqual([
        types.manifest,
        true,
      ])
    }
  })

  test('white space and the order of its fields are kept', async () => {
    const text = `\n{ "layers": [],\t"config": ${JSON.stringify(emptyLayer)}, "mediaType" : "${types.manifest}", "schemaVersion": 2 }\n`
    const answer = await putManifest(client, name, 'spaced', { bytes: text, mediaType: types.manifest })
    expect(answer.status).toBe(201)
    expect((await client.ask('GET', at('spaced'))).text).toBe(text)
  })

  test('without a mediaType: the Content-Type says what it is', async () => {
    const { mediaType: _, ...value } = JSON.parse(manifestWith({}).bytes.toString())
    const answer = await putManifest(client, name, 'untyped', {
      bytes: JSON.stringify(value),
      mediaType: types.manifest,
    })
    expect(answer.status).toBe(201)
    expect((await client.ask('HEAD', at('untyped'))).headers.get('content-type')).toBe(types.manifest)
  })

  test('the Content-Type may have parameters', async () => {
    const { bytes } = manifestWith({ annotations: { with: 'parameters' } })
    expect(
      (await putManifest(client, name, 'x', { bytes, mediaType: `${types.manifest}; charset=utf-8` })).status,
    ).toBe(201)
  })

  test('docker types as they are', async () => {
    const child = manifestOf({ schemaVersion: 2, mediaType: types.dockerManifest, config: emptyLayer, layers: [] })
    const list = manifestOf({ schemaVersion: 2, mediaType: types.dockerList, manifests: [child.descriptor] })
    await pushManifest(client, name, child.digest, child)
    await pushManifest(client, name, 'docker-list', list)
    const answer = await client.ask('GET', at('docker-list'))
    expect([answer.headers.get('content-type'), answer.bytes.equals(list.bytes)]).toEqual([types.dockerList, true])
  })

  test('a tag moves to what was pushed last; the same push twice is one', async () => {
    const [first, second] = [manifestWith({ annotations: { n: '1' } }), manifestWith({ annotations: { n: '2' } })]
    for (const manifest of [first, second, second]) await pushManifest(client, name, 'moving', manifest)
    expect((await client.ask('HEAD', at('moving'))).headers.get('docker-content-digest')).toBe(second.digest)
    expect((await client.ask('HEAD', at(first.digest))).status).toBe(200)
    const before = traces(registry)
    await pushManifest(client, name, 'moving', second)
    expect(traces(registry)).toEqual(before)
  })

  test('many at once for one tag: every digest is there, the tag is one of them', async () => {
    const pushed = Array.from({ length: 12 }, (_, at) => manifestWith({ annotations: { racer: String(at) } }))
    await Promise.all(pushed.map((manifest) => pushManifest(client, name, 'raced', manifest)))
    for (const { digest } of pushed) expect((await client.ask('HEAD', at(digest))).status).toBe(200)
    const winner = (await client.ask('HEAD', at('raced'))).headers.get('docker-content-digest')!
    expect(pushed.map(({ digest }) => digest)).toContain(winner)
  })
})

describe('?tag= sets several tags in one push', () => {
  const tags = Array.from({ length: 12 }, (_, at) => `multi-${at}`)
  const query = (list: readonly string[]) => list.map((tag) => `tag=${encodeURIComponent(tag)}`).join('&')
  const put = (reference: string, list: readonly string[], manifest: Manifest) =>
    client.ask('PUT', `${at(reference)}?${query(list)}`, {
      body: manifest.bytes,
      headers: { 'content-type': manifest.mediaType },
    })

  test.each(['sha256', 'sha512'] as const)('by digest: %s', async (algorithm) => {
    const pushed = makeImage({}, algorithm)
    for (const blob of pushed.blobs) await pushBlob(client, name, blob)
    const answer = await put(pushed.manifest.digest, tags, pushed.manifest)
    expect(answer.status).toBe(201)
    expect(answer.headers.get('docker-content-digest')).toBe(pushed.manifest.digest)
    expect(answer.headers.get('oci-tag')!.split(', ')).toEqual(tags)
    for (const tag of tags) {
      const read = await client.ask('HEAD', at(tag))
      expect(read.headers.get('docker-content-digest')).toBe(pushed.manifest.digest)
    }
  })

  test('one that is no tag fails them all', async () => {
    const manifest = manifestWith({ annotations: { never: 'tagged' } })
    const before = traces(registry)
    for (const bad of ['.dot', 'a/b', 'a:b', '', 'x'.repeat(129), 'a\r\nx: y'])
      expectError(await put(manifest.digest, ['good', bad], manifest), 400, 'TAG_INVALID')
    const many = Array.from({ length: 101 }, (_, at) => `many-${at}`)
    expectError(await put(manifest.digest, many, manifest), 414, 'TAG_INVALID')
    expect(traces(registry)).toEqual(before)
  })
})

describe('what a manifest refers to', () => {
  const { digest, size } = describeBlob(types.layer, randomBlob(10))
  const gone = { mediaType: types.layer, digest, size }
  const cases: [string, Record<string, unknown>, number, string][] = [
    ['a config that is not here', { config: { ...gone, mediaType: types.config } }, 404, 'MANIFEST_BLOB_UNKNOWN'],
    [
      'a config with urls that is not here',
      { config: { ...gone, urls: ['https://x.example/'] } },
      404,
      'MANIFEST_BLOB_UNKNOWN',
    ],
    ['a layer that is not here', { layers: [emptyLayer, gone] }, 404, 'MANIFEST_BLOB_UNKNOWN'],
    ['a layer of another size', { layers: [{ ...emptyLayer, size: 3 }] }, 400, 'MANIFEST_INVALID'],
    ['a layer twice, with two sizes', { layers: [emptyLayer, { ...emptyLayer, size: 1 }] }, 400, 'MANIFEST_INVALID'],
  ]
  test.each(cases)('%s', async (_, more, status, code) => {
    const before = traces(registry)
    const manifest = manifestWith(more)
    for (const reference of ['refused', manifest.digest])
      expectError(await putManifest(client, name, reference, manifest), status, code)
    expect(traces(registry)).toEqual(before)
  })

  const children: [string, Descriptor, number, string][] = [
    ['a child that is not here', { mediaType: types.manifest, digest, size }, 404, 'MANIFEST_BLOB_UNKNOWN'],
    ['a child that is only a blob', describeBlob(types.manifest, emptyConfig), 404, 'MANIFEST_BLOB_UNKNOWN'],
    ['a child of another size', { ...image.manifest.descriptor, size: 1 }, 400, 'MANIFEST_INVALID'],
  ]
  test.each(children)('%s', async (_, child, status, code) => {
    const index = manifestOf({ schemaVersion: 2, mediaType: types.index, manifests: [child] })
    const before = traces(registry)
    expectError(await putManifest(client, name, 'refused', index), status, code)
    expect(traces(registry)).toEqual(before)
  })

  test('a child of another repository is not here', async () => {
    const foreign = manifestWith({ annotations: { of: 'another' } })
    await pushBlob(client, 'manifests/other', emptyConfig)
    await pushManifest(client, 'manifests/other', 'x', foreign)
    expectError(await putManifest(client, name, 'refused', makeIndex([foreign])), 404, 'MANIFEST_BLOB_UNKNOWN')
  })

  test('an index cannot hold itself', async () => {
    const { digest: own } = makeIndex([image.manifest])
    const index = manifestOf({
      schemaVersion: 2,
      mediaType: types.index,
      manifests: [{ mediaType: types.index, digest: own, size: 300 }],
    })
    expectError(await putManifest(client, name, own, index), 400, 'DIGEST_INVALID')
    expectError(await putManifest(client, name, 'refused', index), 404, 'MANIFEST_BLOB_UNKNOWN')
  })

  test('non-distributable layers may be absent, and come back as they are', async () => {
    const urls = [`https://store.example.com/${digest}`]
    const manifest = manifestWith({
      layers: [{ mediaType: types.foreignLayer, digest, size: 123_456, urls }, emptyLayer],
    })
    await pushManifest(client, name, 'foreign', manifest)
    expect((await client.ask('GET', at('foreign'))).bytes.equals(manifest.bytes)).toBe(true)
  })
})

describe('refused manifests', () => {
  const json = (value: unknown) => JSON.stringify(value)
  const good = JSON.parse(manifestWith({}).bytes.toString()) as Record<string, unknown>
  const nested = (depth: number) => `${'['.repeat(depth)}${']'.repeat(depth)}`
  const cases: [string, string | Uint8Array, string, number][] = [
    ['nothing', '', types.manifest, 400],
    ['no JSON', 'hello', types.manifest, 400],
    ['half of it', manifestWith({}).bytes.toString().slice(0, -1), types.manifest, 400],
    ['two of them', json(good) + json(good), types.manifest, 400],
    ['an array', '[]', types.manifest, 400],
    ['null', 'null', types.manifest, 400],
    ['no UTF-8', Buffer.concat([Buffer.from('{"a":"'), Buffer.from([0xff]), Buffer.from('"}')]), types.manifest, 400],
    ['a byte order mark', `\uFEFF${json(good)}`, types.manifest, 400],
    ['10,000 deep in an annotation', `{"annotations":${nested(10_000)}}`, types.manifest, 400],
    ['10,000 deep and open', '['.repeat(10_000), types.manifest, 400],
    ['another mediaType than its Content-Type', json(good), types.index, 400],
    ['a mediaType, sent as JSON', json(good), 'application/json', 400],
    ['an unknown type', json({ ...good, mediaType: types.example }), types.example, 400],
    ['a docker manifest that does not say so', json({ ...good, mediaType: undefined }), types.dockerManifest, 400],
    ['both manifests and layers', json({ ...good, manifests: [] }), types.manifest, 400],
    ['an index with layers', json({ ...good, mediaType: types.index, manifests: [] }), types.index, 400],
    ['Manifests in other letters', json({ ...good, Manifests: [] }), types.manifest, 400],
    ['schema 1', json({ schemaVersion: 1, name: 'x', fsLayers: [] }), types.dockerSchema1, 400],
    ['schema 1 as JSON', json({ schemaVersion: 1, name: 'x', fsLayers: [] }), 'application/json', 400],
    ['schemaVersion 3', json({ ...good, schemaVersion: 3 }), types.manifest, 400],
    ['schemaVersion "2"', json({ ...good, schemaVersion: '2' }), types.manifest, 400],
    ['no config', json({ ...good, config: undefined }), types.manifest, 400],
    ['no layers', json({ ...good, layers: undefined }), types.manifest, 400],
    ['layers that are no list', json({ ...good, layers: {} }), types.manifest, 400],
    ['a layer that is no object', json({ ...good, layers: ['x'] }), types.manifest, 400],
    [
      'a bad digest in it',
      json({ ...good, config: { ...emptyLayer, digest: 'sha256:../../etc' } }),
      types.manifest,
      400,
    ],
    ['a negative size', json({ ...good, config: { ...emptyLayer, size: -1 } }), types.manifest, 400],
    ['a size of 2^53', json({ ...good, config: { ...emptyLayer, size: 2 ** 53 } }), types.manifest, 400],
    ['a size with a fraction', json({ ...good, config: { ...emptyLayer, size: 2.5 } }), types.manifest, 400],
    ['a header in its mediaType', json({ ...good, mediaType: `${types.manifest}\r\nx: y` }), types.manifest, 400],
    ['annotations that are no text', json({ ...good, annotations: { a: 1 } }), types.manifest, 400],
    ['a subject that is none', json({ ...good, subject: 'x' }), types.manifest, 400],
    ['10,001 layers', json({ ...good, layers: Array(10_001).fill(emptyLayer) }), types.manifest, 400],
    ['4 MiB and a byte', json(good).padEnd((4 << 20) + 1, ' '), types.manifest, 413],
  ]
  test.each(cases)('%s', async (_, bytes, mediaType, status) => {
    const before = traces(registry)
    const answer = await putManifest(client, name, 'refused', { bytes, mediaType })
    expectError(answer, status, 'MANIFEST_INVALID')
    expect(answer.text.length).toBeLessThan(1000)
    expect(traces(registry)).toEqual(before)
    expect((await client.ask('HEAD', at('refused'))).status).toBe(404)
  })

  test('4 MiB and a byte without a length', async () => {
    const before = traces(registry)
    const body = new ReadableStream<Uint8Array>({
      start(controller) {
        for (let at = 0; at < 5; at++) controller.enqueue(Buffer.alloc(1 << 20, ' '))
        controller.close()
      },
    })
    const answer = await client.ask('PUT', at('refused'), { body, headers: { 'content-type': types.manifest } })
    expectError(answer, 413, 'MANIFEST_INVALID')
    expect(traces(registry)).toEqual(before)
  })

  test('4 MiB to the byte is taken', async () => {
    const bytes = json({ ...good, annotations: { large: 'A'.repeat(3_900_000) } }).padEnd(4 << 20, ' ')
    expect((await putManifest(client, name, 'large', { bytes, mediaType: types.manifest })).status).toBe(201)
    expect((await client.ask('GET', at('large'))).text).toBe(bytes)
  })

  test.each(['sha256', 'sha512'] as const)(
    'bytes that have not the digest they were pushed as: %s',
    async (algorithm) => {
      const { digest, bytes, mediaType } = makeImage({}, algorithm).manifest
      const before = traces(registry)
      const answer = await putManifest(client, name, digest, { bytes: `${bytes}  `, mediaType })
      expectError(answer, 400, 'DIGEST_INVALID')
      expectError(await putManifest(client, name, 'sha256:baddigeststring', image.manifest), 400, 'DIGEST_INVALID')
      expect(traces(registry)).toEqual(before)
    },
  )
})

describe('deleting', () => {
  test('by tag: the tag goes, its manifest and other tags stay', async () => {
    const manifest = manifestWith({ annotations: { to: 'untag' } })
    for (const tag of ['first', 'second']) await pushManifest(client, name, tag, manifest)
    expect((await registry.admin.ask('DELETE', at('first'))).status).toBe(202)
    expect((await client.ask('HEAD', at('first'))).status).toBe(404)
    for (const reference of ['second', manifest.digest])
      expect((await client.ask('HEAD', at(reference))).status).toBe(200)
    expectError(await registry.admin.ask('DELETE', at('first')), 404, 'MANIFEST_UNKNOWN')
  })

  test('by digest: the manifest goes, with every tag of it', async () => {
    const manifest = manifestWith({ annotations: { to: 'delete' } })
    for (const tag of ['third', 'fourth']) await pushManifest(client, name, tag, manifest)
    const answer = await registry.admin.ask('DELETE', at(manifest.digest))
    expect([answer.status, answer.headers.get('docker-content-digest')]).toEqual([202, manifest.digest])
    for (const reference of ['third', 'fourth', manifest.digest])
      expectError(await client.ask('GET', at(reference)), 404, 'MANIFEST_UNKNOWN')
    await pushManifest(client, name, 'third', manifest)
    expect((await client.ask('HEAD', at('third'))).status).toBe(200)
  })
})

test('10,000 layers are taken', async () => {
  const layer = layerBlob()
  await pushBlob(client, name, layer)
  const manifest = manifestWith({ layers: Array(10_000).fill(describeBlob(types.gzipLayer, layer)) })
  await pushManifest(client, name, 'repeated', manifest)
  expect((await client.ask('GET', at('repeated'))).bytes.equals(manifest.bytes)).toBe(true)
})
