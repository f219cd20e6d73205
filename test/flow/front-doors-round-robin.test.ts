// Three front doors behind HAProxy while hosts break: once round robin, so that a client which asks again meets a front door that knows
// nothing of the first ask; once with the consistent hash of the configuration that deploy/ ships. What is lost is printed.

import { afterAll, beforeAll, expect, test } from 'bun:test'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { type Flotilla, startFlotilla } from '../kit/flotilla.ts'
import { adminToken, askApi } from '../kit/flotilla-client.ts'
import { findFreePort } from '../kit/free-port.ts'
import { type FrontDoorElsewhere, startFrontDoorElsewhere } from '../kit/front-door-elsewhere.ts'
import { makeImage, makeLayer } from '../kit/images.ts'
import { describeWith } from '../kit/need-tool.ts'
import { type RunningProcess, startProcess } from '../kit/process.ts'
import { pushImage } from '../kit/push-image.ts'
import { dockerAgent, type Pulled, pullBlob, type ScriptedClient } from '../kit/scripted-client.ts'
import { type HostFault, SimHost } from '../kit/sim-host.ts'
import { getTool } from '../kit/tool.ts'
import { waitUntil } from '../kit/wait-until.ts'

const shipped = join(import.meta.dir, '../../deploy/haproxy/flotilla.cfg')
const balances = ['roundrobin', 'hash'] as const
/** docker survives each of them when it is sent to another host. */
const faults: readonly HostFault[] = ['404', '503', 'cut']
const hostCount = 12
const pullsPerFault = 80
const everyMs = 40
const image = makeImage(Array.from({ length: 6 }, (_, n) => makeLayer(100_000, `layer-${n}`)))

type Losses = { readonly docker: number; readonly once: number; readonly met: number }

describeWith('front doors behind HAProxy', ['haproxy'])('three front doors', () => {
  const folder = mkdtempSync(join(tmpdir(), 'flotilla-round-robin-'))
  const hosts: SimHost[] = []
  const elsewhere: FrontDoorElsewhere[] = []
  let flotilla: Flotilla
  let networks = 0

  beforeAll(async () => {
    const env = {
      FLOTILLA_ADMIN_TOKEN: adminToken,
      FLOTILLA_ALLOW_PRIVATE_HOSTS: 'true',
      FLOTILLA_TRUSTED_PROXIES: '127.0.0.1/32',
      FLOTILLA_LIVENESS_INTERVAL: '3s',
    }
    mkdirSync(join(folder, 'home'))
    flotilla = await startFlotilla({ folder: join(folder, 'home'), env })
    await pushImage({ registry: flotilla.url('registry'), user: 'admin', secret: adminToken }, 'team/app', '1', image)
    await flotilla.run('promote', 'team/app:1', '--to', 'stable')
    await flotilla.run('publish', '--now')
    const tree = new Map(image.layers.map(({ digest, gzip }) => [digest, Buffer.from(gzip)]))
    for (let n = 1; n <= hostCount; n++) {
      const host = await SimHost.start({ address: `127.0.1.${100 + n}`, tree })
      hosts.push(host)
      await askApi(flotilla, 'POST', '/api/v1/hosts', {
        name: `h${n}`,
        urls: [host.url],
        grade: 'gold',
        bandwidthMbps: 1000,
      })
    }
    for (const name of ['second', 'third']) {
      const place = { folder: join(folder, name), port: await findFreePort() }
      elsewhere.push(await startFrontDoorElsewhere(flotilla, flotilla.url('origin'), place))
    }
    await waitUntil(areAllUsed, { what: 'every host is used by every front door', limitMs: 90_000, everyMs: 250 })
  }, 180_000)
  afterAll(async () => {
    for (const one of [...elsewhere, flotilla, ...hosts]) await one?.[Symbol.asyncDispose]()
    rmSync(folder, { recursive: true, force: true })
  })

  const doors = () => [flotilla.url('frontdoor'), ...elsewhere.map(({ url }) => url)]
  const pathOf = (digest: string) => `/v2/team/app/blobs/${digest}`
  const nextNetwork = () => `10.${networks >> 8}.${networks++ & 255}.7`

  /** Of many networks, each host is met by some. */
  async function areAllUsed(): Promise<boolean> {
    for (const door of doors()) {
      const met = new Set<string>()
      for (let i = 0; i < 12 * hostCount; i++) {
        const headers = { 'x-forwarded-for': nextNetwork() }
        const answer = await fetch(door + pathOf(image.layers[i % 6]!.digest), { headers, redirect: 'manual' })
        await answer.arrayBuffer()
        met.add(new URL(answer.headers.get('location') ?? 'http://origin').host)
      }
      if (met.size < hostCount || met.has('origin')) return false
    }
    return true
  }

  async function startHaproxy(balance: (typeof balances)[number], port: number): Promise<RunningProcess> {
    const text = readFileSync(shipped, 'utf8')
      .replace('maxconn 20000', 'maxconn 400')
      .replace(/^ *bind :443 .*$/m, `    bind 127.0.0.1:${port}`)
      .replace(/^ *server front.*\n/gm, '')
      // The clients of this test are all at one address and say in the header which they stand for.
      .replace(
        'balance hash src,',
        balance === 'hash' ? 'balance hash req.hdr_ip(x-forwarded-for),' : 'balance roundrobin #',
      )
      .replace(/^ *hash-type .*$/m, balance === 'hash' ? '$&' : '')
    const servers = doors().map((url, i) => `    server front${i} ${new URL(url).host}`)
    const config = join(folder, `${balance}.cfg`)
    writeFileSync(config, `${text}\n${servers.join('\n')}\n`)
    const haproxy = startProcess(getTool('haproxy'), ['-db', '-f', config], { logFile: join(folder, 'haproxy.log') })
    await waitUntil(async () => (await fetch(`http://127.0.0.1:${port}/v2/`)).ok, { what: 'HAProxy answers' })
    return haproxy
  }

  /** A host breaks while pulls come in; until liveness has seen it. */
  async function loseTo(broken: SimHost, fault: HostFault, frontUrl: string): Promise<Losses> {
    await broken.setMode(fault)
    const running: Promise<readonly [ScriptedClient['manner'], Pulled]>[] = []
    for (let n = 0; n < pullsPerFault; n++) {
      const { digest, gzip } = image.layers[n % 6]!
      const manner = n % 12 < 6 ? 'docker' : 'once'
      const client = { manner, userAgent: dockerAgent, address: nextNetwork(), haste: 10, silenceMs: 8_000 } as const
      const wanted = { frontUrl, path: pathOf(digest), digest, sizeBytes: gzip.length }
      running.push(pullBlob(client, wanted).then((pulled) => [manner, pulled] as const))
      await pause(everyMs)
    }
    const pulled = await Promise.all(running)
    const lost = (of: ScriptedClient['manner']) =>
      pulled.filter(([manner, { isWhole }]) => manner === of && !isWhole).length
    const met = pulled.filter(([, { opens }]) =>
      opens.some(({ location }) => location?.startsWith(`${broken.url}/`)),
    ).length
    return { docker: lost('docker'), once: lost('once'), met }
  }

  test.each(balances)(
    'balance %s',
    async (balance) => {
      const port = await findFreePort()
      await using _ = await startHaproxy(balance, port)
      const told: string[] = []
      let dockerLosses = 0
      let mets = 0
      for (const [i, fault] of faults.entries()) {
        // Another host each time: one that failed before is not trusted as it was.
        const broken = hosts[balances.indexOf(balance) * faults.length + i]!
        const { docker, once, met } = await loseTo(broken, fault, `http://127.0.0.1:${port}`)
        dockerLosses += docker
        told.push(`${fault}: ${met} met it, lost ${docker} of docker and ${once} that never ask again`)
        mets += met
      }
      console.log(`${balance}: ${told.join('; ')} (${pullsPerFault} pulls each, half of them docker)`)
      expect(mets).toBeGreaterThan(0)
      // With the hash a second ask meets the memory of the first.
      if (balance === 'hash') expect(dockerLosses).toBe(0)
      // And when liveness has seen it, nobody is lost any more.
      const later: Pulled[] = []
      await waitUntil(areBrokenUnused, { what: 'the broken hosts are out' })
      for (let n = 0; n < 30; n++) {
        const { digest, gzip } = image.layers[n % 6]!
        const client = {
          manner: 'once',
          userAgent: dockerAgent,
          address: nextNetwork(),
          haste: 10,
          silenceMs: 8_000,
        } as const
        const wanted = { frontUrl: `http://127.0.0.1:${port}`, path: pathOf(digest), digest, sizeBytes: gzip.length }
        later.push(await pullBlob(client, wanted))
      }
      expect(later.filter(({ isWhole }) => !isWhole)).toEqual([])
    },
    120_000,
  )

  async function areBrokenUnused(): Promise<boolean> {
    const out = hosts.filter(({ mode }) => mode !== 'good').map(({ url }) => new URL(url).host)
    for (const door of doors()) {
      for (let i = 0; i < 60; i++) {
        const headers = { 'x-forwarded-for': nextNetwork() }
        const answer = await fetch(door + pathOf(image.layers[i % 6]!.digest), { headers, redirect: 'manual' })
        await answer.arrayBuffer()
        if (out.includes(new URL(answer.headers.get('location') ?? 'http://origin').host)) return false
      }
    }
    return true
  }
})
