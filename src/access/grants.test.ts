import { describe, expect, test } from 'bun:test'
import { RegistryError } from '#oci/errors.ts'
import { decide, type Identity, type Need } from './decide.ts'
import { formatGrant, matchesPattern, parseGrant } from './grants.ts'

test.each([
  ['**', 'a', true],
  ['**', 'a/b/c', true],
  ['a/**', 'a/b', true],
  ['a/**', 'a/b/c', true],
  ['a/**', 'a', false],
  ['a/**', 'ab', false],
  ['a/**', 'ab/c', false],
  ['a/**', 'b/a/c', false],
  ['a', 'a', true],
  ['a', 'a/b', false],
  ['a/b', 'a/b', true],
  ['a/b', 'a/bc', false],
])('%s matches %s: %p', (pattern, name, expected) => {
  expect(matchesPattern(pattern, name)).toBe(expected)
})

test.each([
  'repository:**:pull',
  'repository:a/**:pull,push',
  'repository:a/b:pull,push,delete',
  'api:read',
  'api:promote,publish,hosts,tokens',
  'api:check-in',
  'api:check-in:mirror.example.org',
])('%s is written as it is read', (text) => {
  expect(formatGrant(parseGrant(text))).toBe(text)
})

test.each([
  '',
  'repository',
  'repository:a',
  'repository:a:',
  'repository:a:pull,',
  'repository:a:admin',
  'repository:a:*',
  'repository::pull',
  'repository:*:pull',
  'repository:a*:pull',
  'repository:a/*:pull',
  'repository:/**:pull',
  'repository:a/**/b:pull',
  'repository:A:pull',
  'repository:host:5000/a:pull',
  'api',
  'api:',
  'api:pull',
  'api:read:write',
  'api:read:mirror.example.org',
  'api:check-in,read:mirror.example.org',
  'api:check-in:',
  'api:check-in:a:b',
  'api:check-in:../a',
  'api:check-in:A.test',
  'api:check-in:*',
  'admin:*',
  ' repository:a:pull',
])('%j is no grant', (text) => {
  expect(() => parseGrant(text)).toThrow(RegistryError)
})

describe('decide', () => {
  const robot = (...grants: string[]): Identity => ({ kind: 'robot', name: 'r', grants: grants.map(parseGrant) })
  const repository = (name: string, action: 'pull' | 'push' | 'delete'): Need => ({ kind: 'repository', name, action })
  const admin: Identity = { kind: 'admin', name: 'admin', grants: [] }

  const cases: [Identity, Need, boolean][] = [
    [admin, repository('a', 'delete'), true],
    [admin, { kind: 'api', action: 'tokens' }, true],
    [robot(), repository('a', 'pull'), false],
    [robot(), { kind: 'api', action: 'read' }, false],
    [robot(), { kind: 'catalog' }, true],
    [robot('repository:a:pull'), repository('a', 'pull'), true],
    [robot('repository:a:pull'), repository('a', 'push'), false],
    [robot('repository:a:push'), repository('a', 'pull'), false],
    [robot('repository:a:push'), repository('a', 'delete'), false],
    [robot('repository:a:pull', 'repository:b:push'), repository('a', 'push'), false],
    [robot('repository:a:pull', 'repository:a:push'), repository('a', 'push'), true],
    [robot('repository:**:pull,push,delete'), { kind: 'api', action: 'read' }, false],
    [robot('api:read'), { kind: 'api', action: 'read' }, true],
    [robot('api:read'), { kind: 'api', action: 'promote' }, false],
    [robot('api:promote'), repository('a', 'pull'), false],
    [robot('api:check-in'), { kind: 'api', action: 'check-in' }, true],
    [robot('api:check-in'), { kind: 'api', action: 'check-in', host: 'a.test' }, true],
    [robot('api:check-in:a.test'), { kind: 'api', action: 'check-in', host: 'a.test' }, true],
    [robot('api:check-in:a.test'), { kind: 'api', action: 'check-in', host: 'b.test' }, false],
    [robot('api:check-in:a.test'), { kind: 'api', action: 'check-in' }, false],
    [robot('api:check-in:a.test'), { kind: 'api', action: 'read', host: 'a.test' }, false],
    [robot('api:check-in:a.test'), { kind: 'api', action: 'hosts', host: 'a.test' }, false],
    [robot('api:check-in:a.test', 'api:check-in:b.test'), { kind: 'api', action: 'check-in', host: 'b.test' }, true],
  ]
  test.each(cases)('%#', (identity, need, expected) => {
    expect(decide(identity, need)).toBe(expected)
  })
})
