import { expect, test } from 'bun:test'
import { mediaTypes } from '#oci/media-type.ts'
import { accepts } from './accept.ts'

const { ociIndex, ociManifest } = mediaTypes

test.each([
  [undefined, true],
  ['', true],
  [' ', true],
  ['*/*', true],
  ['application/*', true],
  ['APPLICATION/* ; q=0.1', true],
  [ociManifest, true],
  [ociManifest.toUpperCase(), true],
  [`${ociManifest};q=0.5`, true],
  [`\t${ociManifest} ; q=0.5 , text/html`, true],
  [`text/html,${ociManifest}`, true],
  [`${ociIndex}, */*;q=0.1`, true],
  [`${ociManifest};q=0`, false],
  [`${ociManifest} ; Q = 0.000`, false],
  [`${ociManifest};q=0.001`, true],
  [`${ociManifest};charset=utf-8;q=0`, false],
  [`*/*, ${ociManifest};q=0`, false],
  [`${ociManifest};q=0, */*`, false],
  [`application/*;q=0, */*`, false],
  [`application/*, */*;q=0`, true],
  [`*/*;q=0, ${ociManifest}`, true],
  ['*/*;q=0', false],
  [`${ociManifest};q=0, ${ociManifest}`, true],
  [`${ociManifest};q=none`, true],
  [ociIndex, false],
  [`${ociManifest}+x`, false],
  [ociManifest.slice(0, -1), false],
  ['text/*', false],
  ['*', false],
  [',', false],
  ['text/html', false],
])('%s', (header, expected) => {
  expect(accepts(header, ociManifest)).toBe(expected)
})
