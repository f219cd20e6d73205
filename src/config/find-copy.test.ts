import { afterAll, describe, expect, test } from 'bun:test'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { findCopy } from './find-copy.ts'
import { ConfigError } from './load-config.ts'

const root = mkdtempSync(join(tmpdir(), 'find-copy-'))
const replica = join(root, 'replica')
const store = join(root, 'store')
mkdirSync(join(replica, 'metadata'), { recursive: true })
writeFileSync(join(replica, 'metadata/timestamp.json'), '{}')
mkdirSync(join(store, 'blobs'), { recursive: true })
afterAll(() => rmSync(root, { recursive: true }))

const none = { copy: undefined, blobs: undefined, tree: undefined, demo: false }
const all = ['registry', 'manager', 'worker', 'mirror', 'frontdoor', 'origin']

describe('a copy is served', () => {
  test.each([
    ['when it is given', { copy: '/a' }, ['frontdoor', 'origin'], '/a'],
    ['when the blob store is a replicated tree', { blobs: replica }, ['frontdoor'], replica],
    ['not when nothing is given', {}, ['frontdoor'], undefined],
    ['not when the blob store is one of our own', { blobs: store }, ['frontdoor'], undefined],
    ['not when a tree of our own is given too', { blobs: replica, tree: '/t' }, ['frontdoor'], undefined],
    ['not where a registry is to write into the store', { blobs: replica }, all, undefined],
  ])('%s', (_, given, roles, expected) => {
    expect(findCopy({ ...none, ...given }, roles)).toBe(expected)
  })

  test.each([
    ['by roles that write', {}, all, 'copy: registry, manager, worker, mirror cannot run over a copy'],
    ['with a demonstration', { demo: true }, ['frontdoor'], 'copy: there is no demonstration'],
  ])('never %s', (_, given, roles, reason) => {
    const find = () => findCopy({ ...none, copy: '/a', ...given }, roles)
    expect(find).toThrow(ConfigError)
    expect(find).toThrow(reason)
  })
})
