import { expect, test } from 'bun:test'
import { queryValue } from './query.ts'
import { routeOf } from './route.ts'

const digest = `sha256:${'a'.repeat(64)}`

test.each([
  ['/v2/', { kind: 'root' }],
  ['/v2', { kind: 'root' }],
  ['/', { kind: 'other' }],
  ['/v1/', { kind: 'other' }],
  ['/v2/_catalog', { kind: 'catalog' }],
  ['/v2/a/tags/list', { kind: 'tags', name: 'a' }],
  ['/v2/a/b/tags/list', { kind: 'tags', name: 'a/b' }],
  ['/v2/a/tags/other', { kind: 'other' }],
  ['/v2/a/manifests/latest', { kind: 'manifest', name: 'a', reference: 'latest' }],
  ['/v2/a/b/manifests/tags/list', { kind: 'tags', name: 'a/b/manifests' }],
  ['/v2/manifests/manifests/x', { kind: 'manifest', name: 'manifests', reference: 'x' }],
  [`/v2/a/blobs/${digest}`, { kind: 'blob', name: 'a', reference: digest }],
  [`/v2/a/blobs/${digest.replace(':', '%3A')}`, { kind: 'blob', name: 'a', reference: digest }],
  ['/v2/a/blobs/%zz', { kind: 'blob', name: 'a', reference: '%zz' }],
  ['/v2/a/blobs/..%2f..%2fetc', { kind: 'blob', name: 'a', reference: '../../etc' }],
  ['/v2/a%2fb/manifests/x', { kind: 'manifest', name: 'a%2fb', reference: 'x' }],
  ['/v2/../manifests/x', { kind: 'manifest', name: '..', reference: 'x' }],
  [`/v2/a/referrers/${digest}`, { kind: 'referrers', name: 'a', reference: digest }],
  ['/v2/blobs/x', { kind: 'blob', name: '', reference: 'x' }],
  ['/v2//manifests/x', { kind: 'manifest', name: '', reference: 'x' }],
  ['/v2/a/manifests/', { kind: 'manifest', name: 'a', reference: '' }],
  ['/v2/a/blobs/uploads/', { kind: 'other' }],
  ['/blobs/sha256/aa/bb', { kind: 'tree', path: 'blobs/sha256/aa/bb' }],
] as const)('%s', (path, route) => {
  expect(routeOf(path)).toEqual(route as never)
})

test.each([
  ['', undefined],
  ['n=1', '1'],
  ['a=2&n=1', '1'],
  ['n=1&n=2', '1'],
  ['nn=1', undefined],
  ['n', ''],
  ['n=', ''],
  ['n=a%2Bb+c', 'a+b c'],
  ['n=%zz', '%zz'],
  ['an=3', undefined],
])('n of %s', (query, value) => {
  expect(queryValue(query, 'n')).toBe(value as never)
})
