// A real proxy between us and a server: Debian's tinyproxy.

import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { makeAuthority } from '../../../test/kit/certificate-authority.ts'
import { findFreePort } from '../../../test/kit/free-port.ts'
import { describeWith } from '../../../test/kit/need-tool.ts'
import { type RunningProcess, startProcess } from '../../../test/kit/process.ts'
import { getTool } from '../../../test/kit/tool.ts'
import { waitUntil } from '../../../test/kit/wait-until.ts'
import { readAll } from './body-stream.ts'
import { OutboundClient } from './outbound-client.ts'
import { ProxiedClient } from './proxied-client.ts'
import { noProxy, oneProxy, parseProxyUrl, proxyFor, readProxySettings } from './proxy-settings.ts'

describe('which proxy', () => {
  test.each<[string, Record<string, string>, string, string | undefined]>([
    ['none', {}, 'https://a.example/', undefined],
    ['for https', { HTTPS_PROXY: 'http://p:1' }, 'https://a.example/', 'http://p:1'],
    ['not for http', { HTTPS_PROXY: 'http://p:1' }, 'http://a.example/', undefined],
    ['for http in lower case', { http_proxy: 'http://p:1' }, 'http://a.example/', 'http://p:1'],
    [
      'not in upper case: a server may set it from a header',
      { HTTP_PROXY: 'http://p:1' },
      'http://a.example/',
      undefined,
    ],
    ['for all', { ALL_PROXY: 'http://p:1' }, 'http://a.example/', 'http://p:1'],
    ['but a name', { ALL_PROXY: 'http://p:1', NO_PROXY: 'x.org, a.example' }, 'http://a.example/', undefined],
    ['but below a name', { ALL_PROXY: 'http://p:1', no_proxy: '.example' }, 'http://a.example/', undefined],
    ['but nothing', { ALL_PROXY: 'http://p:1', no_proxy: '*' }, 'http://a.example/', undefined],
    ['but one port', { ALL_PROXY: 'http://p:1', no_proxy: 'a.example:80' }, 'http://a.example/', undefined],
    ['not another port', { ALL_PROXY: 'http://p:1', no_proxy: 'a.example:81' }, 'http://a.example/', 'http://p:1'],
    ['not a like name', { ALL_PROXY: 'http://p:1', no_proxy: 'ample' }, 'http://a.example/', 'http://p:1'],
  ])('%s', (_, environment, url, proxy) => {
    expect(proxyFor(new URL(url), readProxySettings(environment))).toBe(proxy)
  })

  test('an address of one', () => {
    expect(['proxy:3128', 'http://p:1', 'socks5://p', ''].map(parseProxyUrl)).toEqual([
      'http://proxy:3128/',
      'http://p:1/',
      undefined,
      undefined,
    ])
  })
})

describeWith('a proxy', ['tinyproxy', 'openssl'])('a proxy', () => {
  let root: string
  let running: RunningProcess
  let proxy: string
  let ca: string
  let plain: ReturnType<typeof Bun.serve>
  let secure: ReturnType<typeof Bun.serve>
  const limits = { totalMs: 10_000, idleMs: 2_000, maxBodyBytes: 1_000_000 }
  const logged = () => readFile(join(root, 'log'), 'utf8')

  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), 'proxied-'))
    const port = await findFreePort()
    proxy = `http://127.0.0.1:${port}`
    const lines = [
      `Port ${port}`,
      'Listen 127.0.0.1',
      'Timeout 600',
      `LogFile "${root}/log"`,
      'LogLevel Connect',
      'MaxClients 20',
    ]
    await writeFile(join(root, 'tinyproxy.conf'), `${lines.join('\n')}\n`)
    running = startProcess(getTool('tinyproxy'), ['-d', '-c', join(root, 'tinyproxy.conf')], {
      logFile: join(root, 'out'),
    })
    const answer = (request: Request) => {
      const { pathname } = new URL(request.url)
      if (pathname === '/stall')
        return new Response(new ReadableStream({ start: (c) => c.enqueue(new Uint8Array(10)) }))
      if (pathname === '/away')
        return new Response(null, { status: 307, headers: { location: 'http://elsewhere.example/' } })
      return new Response(JSON.stringify(Object.fromEntries(request.headers)), { headers: { etag: '"x"' } })
    }
    plain = Bun.serve({ port: 0, hostname: '127.0.0.1', fetch: answer })
    const { bundle, key, cert } = await makeAuthority(join(root, 'ca'))
    ca = await readFile(bundle, 'utf8')
    secure = Bun.serve({
      port: 0,
      hostname: '127.0.0.1',
      fetch: answer,
      tls: { key: Bun.file(key), cert: Bun.file(cert) },
    })
    await waitUntil(() => fetch(proxy).then(() => true), { what: 'tinyproxy' })
  })
  afterAll(async () => {
    await running.stop()
    await plain.stop(true)
    await secure.stop(true)
    await rm(root, { recursive: true })
  })

  async function ask(url: string, options: { allowPrivate?: boolean; without?: string[]; trusts?: boolean } = {}) {
    const { allowPrivate = true, without = [], trusts = true } = options
    const common = { allowPrivate, userAgent: 'flotilla/test', ...(trusts && { ca }) }
    await using direct = new OutboundClient(common)
    const client = new ProxiedClient(direct, { ...common, proxy: { ...oneProxy(proxy), without } })
    const answer = await client.send({ url, ...limits, headers: { 'if-none-match': '"y"' } })
    return { answer, text: Buffer.from(await readAll(answer.body)).toString() }
  }

  test('carries http by the whole address', async () => {
    const { answer, text } = await ask(`${plain.url}path`)
    expect([answer.status, answer.header('etag')]).toEqual([200, '"x"'])
    expect(JSON.parse(text)).toMatchObject({ 'if-none-match': '"y"', 'user-agent': 'flotilla/test' })
    expect(await logged()).toContain(`GET ${plain.url}path`)
  })

  test('carries https by CONNECT, and the certificate is still checked', async () => {
    const url = `https://localhost:${secure.port}/path`
    expect((await ask(url)).answer.status).toBe(200)
    expect(await logged()).toContain(`CONNECT localhost:${secure.port}`)
    await expect(ask(url, { trusts: false })).rejects.toMatchObject({ kind: 'tls' })
  })

  test('is not asked for what is to go without', async () => {
    expect((await ask(`${plain.url}direct`, { without: ['127.0.0.1'] })).answer.status).toBe(200)
    expect(await logged()).not.toContain('/direct')
  })

  test.each(['http://127.0.0.1:9999/', 'http://localhost:9999/', 'http://169.254.169.254/'])(
    'is not asked for %s unless private addresses are allowed',
    async (url) => {
      await expect(ask(url, { allowPrivate: false })).rejects.toMatchObject({ kind: 'guard' })
      expect(await logged()).not.toContain(new URL(url).host)
    },
  )

  test('redirects are given back, and what stalls is ended', async () => {
    expect((await ask(`${plain.url}away`)).answer.status).toBe(307)
    await expect(ask(`${plain.url}stall`)).rejects.toMatchObject({ kind: 'timeout' })
  })

  test('that is not there is an error in words', async () => {
    await using direct = new OutboundClient({ allowPrivate: true, userAgent: 'x' })
    const gone = { ...noProxy, http: `http://127.0.0.1:${await findFreePort()}` }
    const client = new ProxiedClient(direct, { proxy: gone, allowPrivate: true, userAgent: 'x' })
    await expect(client.send({ url: plain.url.href, ...limits })).rejects.toMatchObject({
      name: 'OutboundError',
      message: expect.stringContaining(' by proxy 127.0.0.1:'),
    })
  })
})
