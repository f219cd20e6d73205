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
