// The HAProxy configuration that deploy/ ships, as it stands there but for addresses, before two front doors of one installation.

import { afterAll, beforeAll, expect, test } from 'bun:test'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Authority, makeAuthority } from '../kit/certificate-authority.ts'
import { type Flotilla, startFlotilla } from '../kit/flotilla.ts'
import { findFreePort } from '../kit/free-port.ts'
import { type FrontDoorElsewhere, startFrontDoorElsewhere } from '../kit/front-door-elsewhere.ts'
import { describeWith } from '../kit/need-tool.ts'
import { mustRun, type RunningProcess, startProcess } from '../kit/process.ts'
import { getTool } from '../kit/tool.ts'
import { waitUntil } from '../kit/wait-until.ts'

const shipped = join(import.meta.dir, '../../deploy/haproxy/flotilla.cfg')

describeWith('HAProxy', ['haproxy', 'openssl', 'curl'])('HAProxy before two front doors', () => {
  const folder = mkdtempSync(join(tmpdir(), 'flotilla-haproxy-'))
  let authority: Authority
  let first: Flotilla
  let second: FrontDoorElsewhere
  let haproxy: RunningProcess
  let port: number
  let metricsPort: number
  let layer: string

  beforeAll(async () => {
    authority = await makeAuthority(join(folder, 'tls'))
    const env = { FLOTILLA_TRUSTED_PROXIES: '127.0.0.1/32' }
    first = await startFlotilla({ folder, env, args: ['up', '--demo'] })
    metricsPort = await findFreePort()
    second = await startFrontDoorElsewhere(first, first.url('origin'), {
      folder: join(folder, 'second'),
      port: await findFreePort(),
      env: { FLOTILLA_METRICS_LISTEN: `127.0.0.1:${metricsPort}` },
    })
    port = await findFreePort()
    writeFileSync(join(folder, 'chain.pem'), readFileSync(authority.cert, 'utf8') + readFileSync(authority.key, 'utf8'))
    writeFileSync(join(folder, 'haproxy.cfg'), placed())
    haproxy = startProcess(getTool('haproxy'), ['-db', '-f', join(folder, 'haproxy.cfg')], {
      logFile: join(folder, 'haproxy.log'),
    })
    await waitUntil(async () => (await curl('127.0.0.1', '/v2/')).startsWith('200'), { what: 'HAProxy answers' })
    const manifest = JSON.parse(
      await mustRun(getTool('curl'), ['-sf', `${first.url('frontdoor')}/v2/demo/hello/manifests/latest`]),
    )
    layer = manifest.layers.toSorted((a: { size: number }, b: { size: number }) => b.size - a.size)[0].digest
  }, 120_000)
  afterAll(async () => {
    for (const one of [haproxy, second, first]) await one?.[Symbol.asyncDispose]()
    rmSync(folder, { recursive: true, force: true })
  })

  const replaced = () => ({
    '/etc/haproxy/registry.example.org.pem': join(folder, 'chain.pem'),
    // As many files as a test may open.
    'maxconn 20000': 'maxconn 200',
    'bind :443': `bind 127.0.0.1:${port}`,
    '192.0.2.11:5001': first.address('frontdoor'),
    '192.0.2.12:5001': new URL(second.url).host,
  })
  function placed(): string {
    let text = readFileSync(shipped, 'utf8')
    for (const [there, here] of Object.entries(replaced())) {
      expect(text).toContain(there)
      text = text.replaceAll(there, here)
    }
    return text
  }

  /** The status and the place of a redirect, as a client at this address gets them. */
  const curl = (address: string, path: string, ...more: string[]) => {
    const said = ['-o', '/dev/null', '-w', '%{http_code} %{redirect_url}']
    const tls = ['--cacert', authority.bundle]
    return mustRun(getTool('curl'), [
      '-s',
      ...tls,
      '--interface',
      address,
      ...said,
      ...more,
      `https://127.0.0.1:${port}${path}`,
    ])
  }
  const blob = () => `/v2/demo/hello/blobs/${layer}`

  async function heads(url: string): Promise<number> {
    const text = await (await fetch(`${url}/metrics`)).text()
    return Number(/^flotilla_frontdoor_blob_heads_total (\d+)/m.exec(text)?.[1])
  }
  const headsOfBoth = () => Promise.all([heads(first.url('api')), heads(`http://127.0.0.1:${metricsPort}`)])

  test('the configuration is without fault or warning', async () => {
    const said = await mustRun(getTool('haproxy'), ['-c', '-f', join(folder, 'haproxy.cfg')])
    expect(said).toContain('Configuration file is valid')
    expect(said).not.toMatch(/warning/i)
  })

  test('clients are told apart by their own addresses: each network has a first ask of its own', async () => {
    await waitUntil(async () => (await curl('127.3.0.1', blob())).startsWith('307'), {
      what: 'the demonstration hosts are used',
    })
    for (let network = 1; network <= 8; network++)
      expect(await curl(`127.4.${network}.9`, blob())).toStartWith('307 http://127.0.0.')
    // What a client says of itself in front of that counts for nothing.
    const answers: string[] = []
    for (let i = 0; i < 3; i++)
      answers.push((await curl('127.5.1.1', blob(), '-H', `X-Forwarded-For: 198.51.100.${i}`)).slice(0, 3))
    expect(answers).toEqual(['307', '307', '200'])
  })

  test('one network meets one front door, and many networks meet both', async () => {
    const before = await headsOfBoth()
    for (let i = 1; i <= 6; i++) await curl(`127.6.1.${i}`, blob(), '-I')
    const one = await headsOfBoth()
    expect(one.map((count, i) => count - before[i]!).sort()).toEqual([0, 6])
    for (let i = 1; i <= 30; i++) await curl(`127.7.${i}.1`, blob(), '-I')
    const many = await headsOfBoth()
    for (const [i, count] of many.entries()) expect(count).toBeGreaterThan(one[i]!)
  })

  test('with one front door gone nobody is failed', async () => {
    await second[Symbol.asyncDispose]()
    for (let i = 1; i <= 30; i++) expect(await curl(`127.8.${i}.1`, blob())).toStartWith('307')
  })
})
