import { expect, test } from 'bun:test'
import fc from 'fast-check'
import { parseRegistryPath, type RegistryPath } from './registry-path.ts'

const digest = `sha256:${'0'.repeat(64)}`

const cases: [string, RegistryPath | undefined][] = [
  ['/v2/', { kind: 'ping' }],
  ['/v2', { kind: 'ping' }],
  ['/v2/_catalog', { kind: 'catalog' }],
  ['/token', { kind: 'token' }],
  ['/v2/a/b/tags/list', { kind: 'tags', name: 'a/b' }],
  [`/v2/a/b/blobs/${digest}`, { kind: 'blob', name: 'a/b', last: digest }],
  ['/v2/a/blobs/uploads/', { kind: 'uploads', name: 'a' }],
  ['/v2/a/blobs/uploads', { kind: 'uploads', name: 'a' }],
  ['/v2/a/blobs/uploads/1-2', { kind: 'upload', name: 'a', last: '1-2' }],
  ['/v2/a/manifests/latest', { kind: 'manifest', name: 'a', last: 'latest' }],
  ['/v2/a/manifests/', { kind: 'manifest', name: 'a', last: '' }],
  [`/v2/a/referrers/${digest}`, { kind: 'referrers', name: 'a', last: digest }],
  // A repository may be called as the endpoints are: the end of the path decides.
  ['/v2/a/blobs/uploads/manifests/x', { kind: 'manifest', name: 'a/blobs/uploads', last: 'x' }],
  ['/v2/a/manifests/blobs/uploads/', { kind: 'uploads', name: 'a/manifests' }],
  ['/v2/a/tags/list/tags/list', { kind: 'tags', name: 'a/tags/list' }],
  ['/v2/manifests/manifests/manifests', { kind: 'manifest', name: 'manifests', last: 'manifests' }],
  // Only the colon of a digest may be escaped.
  [`/v2/a/blobs/${digest.replace(':', '%3A')}`, { kind: 'blob', name: 'a', last: digest }],
  ['/v2/a/manifests/%2e%2e', { kind: 'manifest', name: 'a', last: '%2e%2e' }],
  ['/v2/a%2fb/tags/list', { kind: 'tags', name: 'a%2fb' }],
  ['/v2/a/../b/tags/list', { kind: 'tags', name: 'a/../b' }],
  ['/v2//tags/list', { kind: 'tags', name: '' }],
  ['', undefined],
  ['/', undefined],
  ['/v2x', undefined],
  ['/v2/a', undefined],
  ['/v2/tags/list', undefined],
  ['/v2/manifests/x', undefined],
  ['/v2/a/tags/list/', undefined],
  ['/v2/a/manifests', undefined],
  ['/v1/a/manifests/x', undefined],
  ['/token/', undefined],
]
test.each(cases)('%s', (path, expected) => {
  expect(parseRegistryPath(path)).toEqual(expected)
})

test('a path that is made of a name comes apart into it', () => {
  const word = fc.constantFrom('a', 'blobs', 'uploads', 'manifests', 'tags', 'list', 'referrers', 'v2')
  const name = fc.array(word, { minLength: 1, maxLength: 5 }).map((words) => words.join('/'))
  fc.assert(
    fc.property(name, (repository) => {
      expect(parseRegistryPath(`/v2/${repository}/manifests/x`)).toEqual({
        kind: 'manifest',
        name: repository,
        last: 'x',
      })
      expect(parseRegistryPath(`/v2/${repository}/blobs/uploads/`)).toEqual({ kind: 'uploads', name: repository })
      expect(parseRegistryPath(`/v2/${repository}/tags/list`)).toEqual({ kind: 'tags', name: repository })
    }),
  )
})
