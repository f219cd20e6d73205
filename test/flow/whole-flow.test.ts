// Push, promote, publish, copy, crawl, redirect, pull: once in one process, once with control and data plane apart. Then the control
// plane goes away, and pulls go on; and everything is started again, and is as it was.

import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Flotilla, flotillaProgram, startFlotilla } from '../kit/flotilla.ts'
import { type Image, makeImage, makeLayer } from '../kit/images.ts'
import { describeWith } from '../kit/need-tool.ts'
import { mustRun, type RunningProcess, startProcess } from '../kit/process.ts'
import { pushImage } from '../kit/push-image.ts'
import { waitUntil } from '../kit/wait-until.ts'
import { startNginx, type WebHost } from '../kit/web-hosts.ts'

const controlRoles = ['registry', 'manager', 'worker', 'mirror']
const dataRoles = ['frontdoor', 'origin']
const manifestType = 'application/vnd.oci.image.manifest.v1+json'

/** Each pull comes from a network of its own: who asks twice for a blob is taken to another place the second time. */
const settings = { FLOTILLA_ALLOW_PRIVATE_HOSTS: 'true', FLOTILLA_TRUSTED_PROXIES: '127.0.0.1/32' }
let networks = 0
const nextClient = () => `198.51.${networks++}.7`

type Running = AsyncDisposable & {
  readonly flotilla: Flotilla
  /** Ends what writes the catalogue; where that is the same process as the front door, undefined. */
  readonly stopControl: (() => Promise<void>) | undefined
}

async function startWhole(folder: string): Promise<Running> {
  const flotilla = await startFlotilla({ folder, env: settings })
  return { flotilla, stopControl: undefined, [Symbol.asyncDispose]: () => flotilla[Symbol.asyncDispose]() }
}

async function startApart(folder: string): Promise<Running> {
  const flotilla = await startFlotilla({
    folder,
    env: settings,
    args: ['serve', ...controlRoles],
    waitFor: ['registry', 'api'],
  })
  const data = startProcess(flotillaProgram, ['serve', ...dataRoles], {
    logFile: join(folder, 'data-plane.log'),
    cwd: folder,
    env: flotilla.env,
  })
  await isReady(`${flotilla.url('frontdoor')}/readyz`)
  return {
    flotilla,
    stopControl: async () => await flotilla[Symbol.asyncDispose](),
    async [Symbol.asyncDispose]() {
      await data[Symbol.asyncDispose]()
      await flotilla[Symbol.asyncDispose]()
    },
  }
}

const isReady = (url: string) =>
  waitUntil(async () => (await fetch(url).catch(() => undefined))?.ok === true, { what: url, limitMs: 60_000 })

describeWith('the whole flow', ['nginx']).each([
  ['in one process', startWhole],
  ['with control and data plane apart', startApart],
] as const)('the whole flow %s', (_, start) => {
  const folder = mkdtempSync(join(tmpdir(), 'flotilla-flow-'))
  chmodSync(folder, 0o755)
  const image = makeImage([makeLayer(300 * 1024), makeLayer(2000)])
  const next = makeImage([makeLayer(200 * 1024)])
  let running: Running
  let host: WebHost
  let restarted: RunningProcess | undefined

  beforeAll(async () => {
    mkdirSync(join(folder, 'flotilla'))
    running = await start(join(folder, 'flotilla'))
    host = await startNginx({ folder: join(folder, 'host'), address: '127.0.0.7' })
  })
  afterAll(async () => {
    await restarted?.[Symbol.asyncDispose]()
    await running?.[Symbol.asyncDispose]()
    await host?.[Symbol.asyncDispose]()
    rmSync(folder, { recursive: true, force: true })
  })

  const frontdoor = (path: string, headers: Record<string, string> = {}) =>
    fetch(`${running.flotilla.url('frontdoor')}/v2/${path}`, {
      redirect: 'manual',
      headers: { 'x-forwarded-for': nextClient(), ...headers },
    })
  const push = (tag: string, pushed: Image) =>
    pushImage(
      {
        registry: running.flotilla.url('registry'),
        user: 'builder',
        secret: readFileSync(join(running.flotilla.data, 'keys/builder-token'), 'utf8').trim(),
      },
      'team/app',
      tag,
      pushed,
    )
  const isServed = (tag: string, served: Image) =>
    waitUntil(
      async () => {
        const answer = await frontdoor(`team/app/manifests/${tag}`)
        return answer.ok && Buffer.from(await answer.arrayBuffer()).equals(served.manifest.bytes)
      },
      { what: `team/app:${tag} is served` },
    )
  const [travelling, small] = image.layers as [(typeof image.layers)[0], (typeof image.layers)[0]]
  const hostLocation = () => `${host.url}/blobs/sha256/${travelling.digest.slice(7, 9)}/${travelling.digest.slice(7)}`

  /** What a pull needs: the manifest, the config and the small layer from here, the other layer from the host. */
  async function pull(): Promise<void> {
    const manifest = await frontdoor('team/app/manifests/1', { accept: manifestType })
    expect([manifest.status, manifest.headers.get('content-type')]).toEqual([200, manifestType])
    expect(manifest.headers.get('docker-content-digest')).toBe(image.manifest.digest)
    expect(Buffer.from(await manifest.arrayBuffer())).toEqual(Buffer.from(image.manifest.bytes))
    for (const [digest, bytes] of [
      [image.config.digest, image.config.bytes],
      [small.digest, small.gzip],
    ] as const) {
      const answer = await frontdoor(`team/app/blobs/${digest}`)
      expect(answer.status).toBe(200)
      expect(Buffer.from(await answer.arrayBuffer())).toEqual(Buffer.from(bytes))
    }
    const redirect = await frontdoor(`team/app/blobs/${travelling.digest}`)
    expect(redirect.status).toBe(307)
    const location = redirect.headers.get('location') ?? ''
    expect(location.split('?')[0]).toBe(hostLocation())
    const layer = await fetch(location)
    expect(Buffer.from(await layer.arrayBuffer())).toEqual(Buffer.from(travelling.gzip))
  }

  test('a push lands in the candidate channel, and nobody outside sees it', async () => {
    await push('1', image)
    const candidates = await running.flotilla.runJson<{ repository: string; digest: string }[]>('candidate', 'list')
    expect(candidates).toMatchObject([{ repository: 'team/app', digest: image.manifest.digest }])
    expect((await frontdoor('team/app/manifests/1')).status).toBe(404)
  })

  test('promoted and published it is served, its layer from here while no host has it', async () => {
    await running.flotilla.run('promote', 'team/app:1', '--to', 'stable', '--reason', 'the flow')
    await running.flotilla.run('publish', '--now')
    await isServed('1', image)
    const layer = await frontdoor(`team/app/blobs/${travelling.digest}`)
    expect(layer.status).toBe(200)
    expect(Buffer.from(await layer.arrayBuffer())).toEqual(Buffer.from(travelling.gzip))
  })

  test('a host copies, is proven, and gives the layer', async () => {
    await mustRun(flotillaProgram, [
      'replicate',
      '--from',
      running.flotilla.url('origin'),
      '--to',
      host.tree,
      '--name',
      'campus',
    ])
    const wellington = ['--country', 'NZ', '--latitude', '-41.2866', '--longitude', '174.7756']
    await running.flotilla.run('host', 'add', 'campus', '--url', host.url, '--grade', 'gold', ...wellington)
    expect(await running.flotilla.run('host', 'show', 'campus')).toContain('NZ at -41.2866, 174.7756')
    await waitUntil(async () => (await frontdoor(`team/app/blobs/${travelling.digest}`)).status === 307, {
      what: 'the layer comes from the host',
      limitMs: 30_000,
    })
    await pull()
    const [explained] = (
      await running.flotilla.tryRun('explain', '--ip', '127.0.0.1', '--digest', travelling.digest)
    ).stdout
      .split('\n')
      .slice(1, 2)
    if (running.stopControl === undefined) {
      expect(explained).toContain('host: 307')
      // The network of a university in the Netherlands, seen from the other end of the world.
      const told = await running.flotilla.run('explain', '--ip', '130.89.1.1', '--digest', travelling.digest)
      expect(told).toMatch(/^\s*campus\s.*\sworld\s+18\d{3}\s+proven/m)
    }
  })

  test('what was pulled is counted, by the front door and up to the catalogue', async () => {
    type Popularity = { blobs: { digest: string; pulls: number; repositories: string[] }[] }
    await waitUntil(
      async () => {
        const { blobs } = await running.flotilla.runJson<Popularity>('popularity')
        // Twice at the least: each pull came from a network of its own. No small blob, no manifest.
        return blobs.length === 1 && blobs[0]!.digest === travelling.digest && blobs[0]!.pulls >= 2
      },
      { what: 'the pulls of the layer are counted', limitMs: 60_000 },
    )
    expect(await running.flotilla.run('popularity')).toContain('team/app')
  })

  test('a second release replaces it, a rollback brings it back, as new generations', async () => {
    await push('1', next)
    await isServed('1', image)
    await running.flotilla.run('promote', 'team/app:1', '--to', 'stable')
    await running.flotilla.run('publish', '--now')
    await isServed('1', next)
    await running.flotilla.run('rollback', 'team/app')
    await isServed('1', image)
    const generations = await running.flotilla.runJson<{ generation: number }[]>('generation', 'list')
    expect(generations.map((one) => one.generation)).toEqual([4, 3, 2, 1])
    await pull()
  })

  test('with the control plane gone, pulls go on, and a front door starts again from its disk', async () => {
    const { flotilla } = running
    await running[Symbol.asyncDispose]()
    restarted = startProcess(flotillaProgram, ['serve', 'frontdoor'], {
      logFile: join(folder, 'alone.log'),
      cwd: folder,
      env: flotilla.env,
    })
    await isReady(`${flotilla.url('frontdoor')}/readyz`)
    await pull()
    await restarted[Symbol.asyncDispose]()
    restarted = undefined
  })

  test('started again, all is as it was', async () => {
    restarted = startProcess(flotillaProgram, ['up'], {
      logFile: join(folder, 'again.log'),
      cwd: folder,
      env: running.flotilla.env,
    })
    await isReady(`${running.flotilla.url('api')}/readyz`)
    await isReady(`${running.flotilla.url('frontdoor')}/readyz`)
    await pull()
    const generations = await running.flotilla.runJson<{ generation: number }[]>('generation', 'list')
    expect(generations[0]?.generation).toBe(4)
    expect(await running.flotilla.run('publish')).toContain('Nothing to publish')
  })
})

describe('one data folder', () => {
  test('is used by one control plane at a time, and the second is told by whom', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'flotilla-flow-'))
    await using first = await startFlotilla({ folder })
    const second = await first.tryRun('up')
    expect(second.code).toBe(1)
    expect(second.stderr).toMatch(/data folder is in use by process \d+/)
    rmSync(folder, { recursive: true, force: true })
  })
})
