import { describe, expect, test } from 'bun:test'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type RsyncdOptions, rsyncdConfig, rsyncdDefaults } from './rsyncd-config.ts'

const options: RsyncdOptions = { ...rsyncdDefaults, folder: '/srv/flotilla' }

describe('rsyncdConfig', () => {
  test('is what deploy/rsync/rsyncd.conf ships', async () => {
    const shipped = await readFile(join(import.meta.dir, '../../../deploy/rsync/rsyncd.conf'), 'utf8')
    expect(shipped.slice(shipped.indexOf('['))).toBe(rsyncdConfig(options))
  })

  test('names who may come only when somebody was named', () => {
    expect(rsyncdConfig(options)).not.toContain('hosts allow')
    const allow = ['192.0.2.0/24', '2001:db8::/32', '*.example.org']
    expect(rsyncdConfig({ ...options, allow })).toContain(
      '    hosts allow = 192.0.2.0/24 2001:db8::/32 *.example.org\n',
    )
  })

  test('gives up rights that it has only as root', () => {
    expect(rsyncdConfig({ ...options, isRoot: false })).toContain('use chroot = no\n')
    expect(rsyncdConfig({ ...options, isRoot: false })).not.toContain('uid')
  })

  test.each<[string, Partial<RsyncdOptions>]>([
    ['a folder with a line break', { folder: '/srv\nread only = no' }],
    ['a folder with a variable', { folder: '/srv/%RSYNC_USER%' }],
    ['a folder that joins the next line', { folder: '/srv\\' }],
    ['a folder that is not from the root', { folder: 'srv' }],
    ['a comment with a line break', { comment: 'a\nb' }],
    ['a module name with a bracket', { module: 'a]\n[b' }],
    ['an address with a line break', { allow: ['a\nb'] }],
    ['no connections', { maxConnections: 0 }],
    ['a fractional timeout', { timeoutSeconds: 0.5 }],
  ])('refuses %s', (_, change) => {
    expect(() => rsyncdConfig({ ...options, ...change })).toThrow()
  })
})
