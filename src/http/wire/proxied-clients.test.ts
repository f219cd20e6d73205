// PROXY headers as real proxies write them: HAProxy in all its ways, through another HAProxy, and nginx.
import { afterAll, beforeAll, expect, test } from 'bun:test'
import { chmodSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Ask } from '#http/answer.ts'
import type { Listener } from '#http/listener.ts'
import { makeAuthority } from '../../../test/kit/certificate-authority.ts'
import { findFreePort } from '../../../test/kit/free-port.ts'
import { describeWith } from '../../../test/kit/need-tool.ts'
import { mustRun } from '../../../test/kit/process.ts'
import { startHaproxy, startNginxStream, unlessNginxStreams } from '../../../test/kit/proxies.ts'
import { waitUntil } from '../../../test/kit/wait-until.ts'
import { listenWire } from './listen-wire.ts'

const folder = mkdtempSync(join(tmpdir(), 'proxied-'))
chmodSync(folder, 0o755)
const checks: string[] = []
const told = ({ path, peer, isTls }: Ask) => {
  if (path === '/readyz') checks.push(peer)
  return { status: 200, headers: {}, body: `${peer} ${isTls}` }
}
let front: Listener
beforeAll(() => {
  const isTrustedProxy = (peer: string) => peer === '127.0.0.1'
  front = listenWire(told, { host: '127.0.0.1', port: 0, isTrustedProxy, proxyProtocol: 'on', log: console.error })
})
afterAll(async () => {
  await front.stop(0)
  rmSync(folder, { recursive: true })
})

const defaults = 'defaults\n  timeout connect 5s\n  timeout client 9s\n  timeout server 9s\n'
const proxy = (name: string, mode: string, bind: string, server: string) =>
  `listen ${name}\n  mode ${mode}\n  bind ${bind}\n  server one ${server}\n`
/** What the front door says of a client that comes from this address. */
const ask = (url: string, from: string, ...more: string[]) =>
  mustRun('curl', ['-sS', '--interface', from, ...more, url])

describeWith('haproxy', ['haproxy', 'curl'])('HAProxy', () => {
  test.each([
    ['tcp', 'send-proxy', 'false'],
    ['tcp', 'send-proxy-v2', 'false'],
    ['tcp', 'send-proxy-v2-ssl', 'false'],
    ['tcp', 'send-proxy-v2 proxy-v2-options crc32c,unique-id,authority', 'false'],
    ['http', 'send-proxy', 'false'],
    ['http', 'send-proxy-v2', 'false'],
  ])('mode %s, %s', async (mode, how, isTls) => {
    const port = await findFreePort()
    const config = defaults + proxy('users', mode, `127.0.0.1:${port}`, `127.0.0.1:${front.port} ${how}`)
    await using _ = await startHaproxy({ folder, port }, config)
    const url = `http://127.0.0.1:${port}/`
    // One after the other over what the proxy may keep open: nobody gets another one's address.
    for (const from of ['127.0.0.5', '127.0.0.6', '127.0.0.5']) expect(await ask(url, from)).toBe(`${from} ${isTls}`)
    expect(await ask(url, '127.0.0.7', '-H', 'X-Forwarded-For: 8.8.8.8')).toBe(`127.0.0.7 ${isTls}`)
  })

  test('an IPv6 client keeps its family', async () => {
    const port = await findFreePort('::1')
    const config = defaults + proxy('users', 'tcp', `[::1]:${port}`, `127.0.0.1:${front.port} send-proxy-v2`)
    await using _ = await startHaproxy({ folder, address: '::1', port }, config)
    expect(await ask(`http://[::1]:${port}/`, '::1')).toBe('::1 false')
  })

  test('behind another one, with accept-proxy', async () => {
    const [port, inner] = [await findFreePort(), await findFreePort()]
    const config =
      defaults +
      proxy('outer', 'tcp', `127.0.0.1:${port}`, `127.0.0.1:${inner} send-proxy`) +
      proxy('inner', 'tcp', `127.0.0.1:${inner} accept-proxy`, `127.0.0.1:${front.port} send-proxy-v2`)
    await using _ = await startHaproxy({ folder, port }, config)
    expect(await ask(`http://127.0.0.1:${port}/`, '127.0.0.5')).toBe('127.0.0.5 false')
  })

  test('as deploy/haproxy has it: TLS ends there, and checks are its own', async () => {
    const authority = await makeAuthority(join(folder, 'authority'))
    const port = await findFreePort()
    const pem = join(folder, 'registry.pem')
    await mustRun('sh', ['-c', `cat '${authority.cert}' '${authority.key}' > '${pem}'`])
    const shipped = readFileSync(join(import.meta.dir, '../../../deploy/haproxy/flotilla-proxy-protocol.cfg'), 'utf8')
    const config = shipped
      .replace('maxconn 20000', 'maxconn 1000')
      .replace('bind :443', `bind 127.0.0.1:${port}`)
      .replace('/etc/haproxy/registry.example.org.pem', pem)
      .replace('192.0.2.11:5001', `127.0.0.1:${front.port}`)
      .replace(/^.*192\.0\.2\.12:5001$/m, '')
    await using _ = await startHaproxy({ folder, port }, config)
    await waitUntil(() => checks.length > 0, { what: 'a health check' })
    expect(new Set(checks)).toEqual(new Set(['127.0.0.1']))
    const said = await ask(`https://127.0.0.1:${port}/`, '127.0.0.5', '--cacert', authority.bundle, '--http2')
    expect(said).toBe('127.0.0.5 true')
  })
})

describeWith(
  'nginx streams',
  ['nginx', 'curl'],
  unlessNginxStreams(),
)('nginx', () => {
  test('proxy_protocol on', async () => {
    const port = await findFreePort()
    await using _ = await startNginxStream({ folder, port }, `127.0.0.1:${front.port}`)
    for (const from of ['127.0.0.5', '127.0.0.6']) {
      expect(await ask(`http://127.0.0.1:${port}/`, from)).toBe(`${from} false`)
    }
  })
})
