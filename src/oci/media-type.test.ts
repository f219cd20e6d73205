import { expect, test } from 'bun:test'
import { bareMediaType, isMediaType, isNonDistributable, isSchema1, manifestKindOf, mediaTypes } from './media-type.ts'

test.each([
  ['application/json', 'application/json'],
  [' Application/JSON ; charset=utf-8', 'application/json'],
  ['', ''],
  [';x', ''],
])('bareMediaType %j', (header, expected) => {
  expect(bareMediaType(header)).toBe(expected)
})

test.each([
  [mediaTypes.ociManifest, 'image'],
  [mediaTypes.dockerManifest, 'image'],
  [mediaTypes.ociIndex, 'index'],
  [mediaTypes.dockerList, 'index'],
  [mediaTypes.ociConfig, undefined],
  ['application/json', undefined],
  ['__proto__', undefined],
  ['constructor', undefined],
  ['', undefined],
] as const)('manifestKindOf %s', (type, kind) => {
  expect(manifestKindOf(type)).toBe(kind)
})

test.each([
  ['application/vnd.docker.distribution.manifest.v1+json', true],
  ['application/vnd.docker.distribution.manifest.v1+prettyjws', true],
  ['application/json', true],
  [mediaTypes.dockerManifest, false],
])('isSchema1 %s', (type, expected) => {
  expect(isSchema1(type)).toBe(expected)
})

test.each([
  ['application/vnd.oci.image.layer.nondistributable.v1.tar', true],
  ['application/vnd.oci.image.layer.nondistributable.v1.tar+zstd', true],
  ['application/vnd.docker.image.rootfs.foreign.diff.tar.gzip', true],
  ['application/vnd.oci.image.layer.v1.tar+gzip', false],
  ['text/plain', false],
])('isNonDistributable %s', (type, expected) => {
  expect(isNonDistributable(type)).toBe(expected)
})

test.each([
  ['a/b', true],
  ['application/vnd.oci.image.layer.v1.tar+gzip', true],
  [`a/${'b'.repeat(253)}`, true],
  [`a/${'b'.repeat(254)}`, false],
  ['a', false],
  ['a/', false],
  ['/b', false],
  ['a/b/c', false],
  ['a/b; c=d', false],
  ['a/b\r\nx: y', false],
  ['a /b', false],
  ['é/b', false],
] as const)('isMediaType %j', (text, expected) => {
  expect(isMediaType(text)).toBe(expected)
})
