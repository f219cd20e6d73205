import { expect, test } from 'bun:test'
import { parseImageReference, parseReference } from './reference.ts'

const digest = `sha256:${'0'.repeat(64)}`

test.each([
  ['latest', { kind: 'tag', tag: 'latest' }],
  [digest, { kind: 'digest', digest }],
  ['sha256:0', undefined],
  ['a:b', undefined],
  ['', undefined],
  ['.a', undefined],
] as const)('reference %j', (text, expected) => {
  expect(parseReference(text) as unknown).toEqual(expected)
})

const tagged = (name: string, tag: string) => ({ name, reference: { kind: 'tag', tag } })
const pinned = (name: string) => ({ name, reference: { kind: 'digest', digest } })

test.each([
  ['a', tagged('a', 'latest')],
  ['a/b:1', tagged('a/b', '1')],
  [`a@${digest}`, pinned('a')],
  [`a:1@${digest}`, pinned('a')],
  ['', undefined],
  [':1', undefined],
  ['a:', undefined],
  ['a:b:c', undefined],
  ['a@', undefined],
  ['a@sha256:0', undefined],
  [`a:@${digest}`, undefined],
  [`a@${digest}@${digest}`, undefined],
  ['A:1', undefined],
  ['host:5000/a:1', undefined],
] as const)('image reference %j', (text, expected) => {
  expect(parseImageReference(text) as unknown).toEqual(expected)
})
