import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { RegistryError } from './errors.ts'
import { defaultManifestLimits, isForeign, parseManifest } from './manifest.ts'
import { mediaTypes } from './media-type.ts'

const digest = `sha256:${'0'.repeat(64)}`
const config = { mediaType: mediaTypes.ociConfig, digest, size: 2 }
const layer = { mediaType: 'application/vnd.oci.image.layer.v1.tar', digest, size: 3 }
const image = { schemaVersion: 2, mediaType: mediaTypes.ociManifest, config, layers: [layer] }
const index = {
  schemaVersion: 2,
  mediaType: mediaTypes.ociIndex,
  manifests: [{ ...layer, mediaType: mediaTypes.ociManifest }],
}

const bytesOf = (value: unknown) => Buffer.from(typeof value === 'string' ? value : JSON.stringify(value))
const parse = (value: unknown, contentType?: string, limits = defaultManifestLimits) =>
  parseManifest(bytesOf(value), contentType, limits)

function refusalOf(work: () => unknown): RegistryError {
  try {
    work()
  } catch (error) {
    if (error instanceof RegistryError) return error
    throw error
  }
  throw new Error('it was taken')
}

describe('taken', () => {
  test('an image, with everything that it refers to', () => {
    const manifest = parse({ ...image, subject: layer, artifactType: 'a/b', annotations: { a: 'b' } })
    expect(manifest).toMatchObject({ kind: 'image', mediaType: mediaTypes.ociManifest, artifactType: 'a/b' })
    expect(manifest.config?.size).toBe(2)
    expect(manifest.layers.map((one) => one.size)).toEqual([3])
    expect(manifest.children).toEqual([])
    expect(manifest.subject?.size).toBe(3)
    expect(manifest.annotations).toEqual({ a: 'b' })
  })

  test('an index', () => {
    const manifest = parse({
      ...index,
      manifests: [{ ...index.manifests[0], platform: { os: 'linux', architecture: 'arm64' } }],
    })
    expect(manifest).toMatchObject({ kind: 'index', config: undefined, layers: [], artifactType: undefined })
    expect(manifest.children[0]?.platform).toEqual({ os: 'linux', architecture: 'arm64', variant: undefined })
  })

  const types: [string, unknown, string | undefined, string][] = [
    ['in the body alone', image, undefined, mediaTypes.ociManifest],
    ['in both', image, mediaTypes.ociManifest, mediaTypes.ociManifest],
    ['with parameters', image, `${mediaTypes.ociManifest}; charset=utf-8`, mediaTypes.ociManifest],
    ['in other letters', image, mediaTypes.ociManifest.toUpperCase(), mediaTypes.ociManifest],
    ['in the header alone', { ...image, mediaType: undefined }, mediaTypes.ociManifest, mediaTypes.ociManifest],
    ['an empty one in the body', { ...image, mediaType: '' }, mediaTypes.ociManifest, mediaTypes.ociManifest],
    ['of docker', { ...image, mediaType: mediaTypes.dockerManifest }, undefined, mediaTypes.dockerManifest],
  ]
  test.each(types)('the media type: %s', (_, value, contentType, expected) => {
    expect(parse(value, contentType).mediaType).toBe(expected)
  })

  test('null where Go writes empty lists and maps', () => {
    expect(parse({ ...image, layers: null, annotations: null, subject: null }).layers).toEqual([])
    expect(parse({ ...index, manifests: null }).children).toEqual([])
  })

  test('fields that nobody knows, nested up to the limit', () => {
    const deep = `${'['.repeat(63)}${']'.repeat(63)}`
    expect(parse(JSON.stringify({ ...image, x: 0 }).replace('"x":0', `"x":${deep}`)).kind).toBe('image')
    expect(parse({ ...image, x: '['.repeat(1000), y: '\\"[[' }).kind).toBe('image')
  })

  test('the type of its config stands in for a missing artifactType', () => {
    expect(parse(image).artifactType).toBe(mediaTypes.ociConfig)
  })

  test('as many descriptors and bytes as the limits say', () => {
    const limits = { maxManifestBytes: 2000, maxDescriptors: 2 }
    expect(parse({ ...image, layers: [layer, layer] }, undefined, limits).layers).toHaveLength(2)
    expect(parse(JSON.stringify(image).padEnd(2000), undefined, limits).kind).toBe('image')
  })
})

describe('refused as MANIFEST_INVALID, with what is wrong and where', () => {
  const nested = (depth: number) => `{"x":${'['.repeat(depth)}${']'.repeat(depth)}}`
  const cases: [unknown, string | undefined, string][] = [
    ['', undefined, 'not valid JSON'],
    ['{', undefined, 'not valid JSON'],
    ['[]', undefined, 'must be a JSON object'],
    ['"x"', undefined, 'must be a JSON object'],
    ['null', undefined, 'must be a JSON object'],
    [`\uFEFF${JSON.stringify(image)}`, undefined, 'not valid JSON'],
    [nested(64), undefined, 'nested more than 64 deep'],
    [nested(10_000), undefined, 'nested more than 64 deep'],
    ['{"a":'.repeat(100_000), undefined, 'nested more than 64 deep'],
    [{ ...image, schemaVersion: 3 }, undefined, 'schemaVersion: must be 2'],
    [{ ...image, schemaVersion: undefined }, undefined, 'schemaVersion: must be 2'],
    [{ schemaVersion: 1 }, undefined, 'schema 1 is not taken'],
    [image, 'application/vnd.docker.distribution.manifest.v1+prettyjws', 'schema 1 is not taken'],
    [image, mediaTypes.ociIndex, `the Content-Type header ${mediaTypes.ociIndex}`],
    [image, 'application/json', 'the Content-Type header application/json'],
    [{ ...image, mediaType: undefined }, undefined, 'neither a Content-Type'],
    [{ ...image, mediaType: undefined }, mediaTypes.dockerManifest, 'must name itself'],
    [{ ...index, mediaType: undefined }, mediaTypes.dockerList, 'must name itself'],
    [{ ...image, mediaType: 5 }, undefined, 'mediaType: must be a string'],
    [{ ...image, mediaType: 'x' }, undefined, 'mediaType: not a media type'],
    [{ ...image, mediaType: 'application/x' }, undefined, 'not a media type of manifests'],
    [{ ...image, manifests: [] }, undefined, 'both manifests and config or layers'],
    [{ ...index, config }, undefined, 'both manifests and config or layers'],
    [{ ...index, manifests: undefined, layers: [] }, undefined, 'cannot have config or layers'],
    [{ ...image, config: undefined, layers: undefined, manifests: [] }, undefined, 'cannot have manifests'],
    [{ ...image, Layers: [] }, undefined, 'Layers: some clients'],
    [{ ...image, MEDIATYPE: 'a/b' }, undefined, 'MEDIATYPE: some clients'],
    [{ ...image, config: undefined }, undefined, 'config: must be a descriptor object'],
    [{ ...image, layers: undefined }, undefined, 'layers: must be an array'],
    [{ ...image, layers: [layer, 5] }, undefined, 'layers[1]: must be a descriptor object'],
    [{ ...image, layers: [{ ...layer, mediaType: undefined }] }, undefined, 'layers[0].mediaType: missing'],
    [{ ...image, layers: [{ ...layer, digest: 'sha256:x' }] }, undefined, 'layers[0].digest: must be'],
    [{ ...image, layers: [{ ...layer, digest: [digest] }] }, undefined, 'layers[0].digest: must be'],
    ...[-1, 1.5, 2 ** 53, '3', null, undefined].map(
      (size) =>
        [{ ...image, layers: [{ ...layer, size }] }, undefined, 'layers[0].size: must be'] as [
          unknown,
          undefined,
          string,
        ],
    ),
    [{ ...image, layers: [{ ...layer, urls: 'x' }] }, undefined, 'layers[0].urls: must be'],
    [{ ...image, layers: [{ ...layer, urls: [1] }] }, undefined, 'layers[0].urls: must be'],
    [{ ...image, annotations: [] }, undefined, 'annotations: must be an object'],
    [{ ...image, annotations: { a: null } }, undefined, 'annotations["a"]: must be a string'],
    [{ ...image, subject: {} }, undefined, 'subject.mediaType: missing'],
    [{ ...image, artifactType: 'no type' }, undefined, 'artifactType: not a media type'],
    [{ ...index, manifests: [{ ...layer, platform: 'linux' }] }, undefined, 'manifests[0].platform: must be'],
  ]
  test.each(cases)('%#', (value, contentType, detail) => {
    const refusal = refusalOf(() => parse(value, contentType))
    expect([refusal.code, refusal.status]).toEqual(['MANIFEST_INVALID', 400])
    expect(refusal.detail).toContain(detail)
    expect(refusal.detail.length).toBeLessThan(500)
  })

  test('too many descriptors, too many bytes', () => {
    const limits = { maxManifestBytes: 2000, maxDescriptors: 2 }
    const many = refusalOf(() => parse({ ...image, layers: [layer, layer, layer] }, undefined, limits))
    expect(many.detail).toBe('layers: has 3 entries, at most 2 are taken')
    const large = refusalOf(() => parse(JSON.stringify(image).padEnd(2001), undefined, limits))
    expect([large.code, large.status]).toEqual(['MANIFEST_INVALID', 413])
  })
})

test('whatever comes, it is a manifest or a RegistryError', () => {
  const field = fc.constantFrom('schemaVersion', 'mediaType', 'config', 'layers', 'manifests', 'subject', 'annotations')
  const part = fc.oneof(
    fc.jsonValue(),
    fc.constantFrom(2, mediaTypes.ociManifest, mediaTypes.ociIndex, config, [layer]),
  )
  const near = fc.dictionary(field, part).map((value) => JSON.stringify({ ...image, ...value }))
  const bytes = fc.oneof(fc.uint8Array({ maxLength: 200 }), near.map(bytesOf))
  fc.assert(
    fc.property(bytes, fc.option(fc.string(), { nil: undefined }), (body, contentType) => {
      try {
        return parseManifest(body, contentType).layers !== undefined
      } catch (error) {
        return error instanceof RegistryError && error.code === 'MANIFEST_INVALID'
      }
    }),
  )
})

test.each([
  [{ ...layer, urls: ['https://x.example/'] }, true],
  [{ ...layer, mediaType: 'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip' }, true],
  [{ ...layer, urls: [] }, false],
  [layer, false],
])('isForeign %#', (descriptor, expected) => {
  expect(isForeign(parse({ ...image, layers: [descriptor] }).layers[0]!)).toBe(expected)
})
