import { afterAll, expect, test } from 'bun:test'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { makeAuthority } from './certificate-authority.ts'
import { describeWith } from './need-tool.ts'
import { mustRun } from './process.ts'
import { getTool } from './tool.ts'
import { waitUntil } from './wait-until.ts'
import { startApache, startNginx } from './web-hosts.ts'

const folder = mkdtempSync(join(tmpdir(), 'flotilla-hosts-'))
chmodSync(folder, 0o711)
afterAll(() => rmSync(folder, { recursive: true }))

describeWith('web hosts', ['nginx', 'apache2', 'openssl', 'curl'])('web hosts', () => {
  test.each([
    ['nginx', 'http', startNginx],
    ['nginx', 'https', startNginx],
    ['apache', 'http', startApache],
    ['apache', 'https', startApache],
  ] as const)('%s serves its tree and logs it by %s', async (name, scheme, start) => {
    const authority = scheme === 'https' ? await makeAuthority(join(folder, 'authority')) : undefined
    await using host = await start({ folder: join(folder, `${name}-${scheme}`), address: '127.0.0.2', authority })
    writeFileSync(join(host.tree, 'hello'), 'hello world')
    const curl = [
      '-sS',
      '-r',
      '0-4',
      ...(authority ? ['--cacert', authority.bundle] : []),
      '-A',
      'me/1',
      `${host.url}/hello`,
    ]
    expect(await mustRun(getTool('curl'), curl)).toBe('hello')
    const [logged] = await waitUntil(() => host.requests().length > 0 && host.requests(), { what: 'a line in the log' })
    expect(logged).toMatchObject({ method: 'GET', path: '/hello', status: 206, agent: 'me/1' })
    expect(logged!.sentBytes).toBeGreaterThanOrEqual(5)
  })
})
