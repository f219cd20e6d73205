// Front doors on machines of their own: three of them follow mirror role and origin over the network, tell what their clients saw, and
// hear of each other. Then everything else is killed, piece by piece, and pulls go on.

import { afterAll, beforeAll, expect, test } from 'bun:test'
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { blobPath, type Digest } from '#oci/digest.ts'
import type { HealthDocument, HostHealth } from '#snapshots/health.ts'
import type { PlacedHost, PlacementDocument } from '#snapshots/placement.ts'
import { type Flotilla, flotillaProgram, startFlotilla } from '../kit/flotilla.ts'
import { findFreePort } from '../kit/free-port.ts'
import { type FrontDoorElsewhere, startFrontDoorElsewhere } from '../kit/front-door-elsewhere.ts'
import { makeImage, makeLayer } from '../kit/images.ts'
import { mustRun, type RunningProcess, runProgram, startProcess } from '../kit/process.ts'
import { pushImage } from '../kit/push-image.ts'
import { startTwoFacedHost, type TwoFacedHost } from '../kit/two-faced-host.ts'
import { waitUntil } from '../kit/wait-until.ts'

const controlRoles = ['registry', 'manager', 'worker', 'mirror']
const settings = { FLOTILLA_ALLOW_PRIVATE_HOSTS: 'true', FLOTILLA_TRUSTED_PROXIES: '127.0.0.1/32' }
const image = makeImage([makeLayer(300 * 1024), makeLayer(400 * 1024), makeLayer(2000)])
const [layer, other, small] = image.layers as [
  (typeof image.layers)[0],
  (typeof image.layers)[0],
  (typeof image.layers)[0],
]
/** Of clients that really download; what front doors ask of hosts bears the name of the client they ask for. */
const downloads = 'download/1'

const folder = mkdtempSync(join(tmpdir(), 'flotilla-elsewhere-'))
let control: Flotilla
let again: RunningProcess | undefined
let origin: RunningProcess
const doors: FrontDoorElsewhere[] = []
const hosts: TwoFacedHost[] = []
let networks = 0
const nextClient = () => `198.${51 + (networks >> 8)}.${networks++ & 255}.7`

beforeAll(async () => {
  chmodSync(folder, 0o755)
  mkdirSync(join(folder, 'home'))
  control = await startFlotilla({
    folder: join(folder, 'home'),
    env: settings,
    args: ['serve', ...controlRoles],
    waitFor: ['registry', 'api'],
  })
  origin = startProcess(flotillaProgram, ['serve', 'origin'], {
    logFile: join(folder, 'origin.log'),
    cwd: folder,
    env: control.env,
  })
  await waitUntil(async () => (await fetch(`${control.url('origin')}/readyz`)).ok, { what: 'the origin is ready' })
  const secret = readFileSync(join(control.data, 'keys/builder-token'), 'utf8').trim()
  await pushImage({ registry: control.url('registry'), user: 'builder', secret }, 'team/app', '1', image)
  await control.run('promote', 'team/app:1', '--to', 'stable')
  await control.run('publish', '--now')
  await waitUntil(async () => (await control.runJson<unknown[]>('generation', 'list')).length >= 2, {
    what: 'published',
  })
  for (const [i, name] of ['first', 'second'].entries()) {
    const tree = join(folder, name)
    await mustRun(flotillaProgram, ['replicate', '--from', control.url('origin'), '--to', tree, '--name', name])
    hosts.push(await startTwoFacedHost(tree, `127.0.0.${60 + i}`))
    await control.run('host', 'add', name, '--url', hosts[i]!.url, '--grade', 'gold')
  }
  for (let i = 0; i < 2; i++) doors.push(await openDoor(`door${i}`))
}, 120_000)

afterAll(async () => {
  for (const door of doors) await door[Symbol.asyncDispose]()
  for (const one of [again, origin, control, ...hosts]) await one?.[Symbol.asyncDispose]()
  rmSync(folder, { recursive: true, force: true })
})

const openDoor = async (name: string, port?: number) =>
  startFrontDoorElsewhere(control, control.url('origin'), {
    folder: join(folder, name),
    port: port ?? (await findFreePort()),
    keepsBlockKey: name === 'door1',
  })

const blobOf = (digest: string) => `/v2/team/app/blobs/${digest}`
const placeOf = (answer: Response) => answer.headers.get('location') ?? ''

/** Which host each of so many clients of new networks is sent to; undefined: to none. */
async function whereTo(door: FrontDoorElsewhere, clients: number): Promise<Set<string | undefined>> {
  const places = new Set<string | undefined>()
  for (let i = 0; i < clients; i++) {
    const answer = await door.ask(blobOf((i % 2 === 0 ? layer : other).digest), nextClient(), {
      'user-agent': 'asking/1',
    })
    expect(answer.status).toBe(307)
    places.add(hosts.find(({ url }) => placeOf(answer).startsWith(url))?.url)
  }
  return places
}

/** A copy that a front door keeps of what it follows. */
function kept<T>(door: FrontDoorElsewhere, name: string): T {
  return JSON.parse(readFileSync(join(door.folder, 'data/frontdoor', new URL(door.url).port, name), 'utf8')) as T
}

function placed(door: FrontDoorElsewhere, host: TwoFacedHost): PlacedHost | undefined {
  return kept<PlacementDocument>(door, 'placement.json').hosts.find(({ urls }) => urls.includes(host.url))
}

/** What a front door has heard of a host. */
function heard(door: FrontDoorElsewhere, host: TwoFacedHost): HostHealth | undefined {
  const id = placed(door, host)?.id
  return kept<HealthDocument>(door, 'health.json').hosts.find((one) => one.id === id)
}

/** A whole pull as a client makes it: resumes what breaks off. Resolves to where its bytes came from. */
async function pull(door: FrontDoorElsewhere, client = nextClient()): Promise<string[]> {
  const manifest = await door.ask('/v2/team/app/manifests/1', client, { accept: image.manifest.mediaType })
  expect(Buffer.from(await manifest.arrayBuffer())).toEqual(Buffer.from(image.manifest.bytes))
  expect(Buffer.from(await (await door.ask(blobOf(small.digest), client)).arrayBuffer())).toEqual(
    Buffer.from(small.gzip),
  )
  const places: string[] = []
  let bytes = Buffer.alloc(0)
  for (let tries = 0; bytes.length < layer.gzip.length; tries++) {
    expect(tries).toBeLessThan(5)
    const range = bytes.length > 0 ? { range: `bytes=${bytes.length}-` } : {}
    const answer = await door.ask(blobOf(layer.digest), client, range)
    expect(answer.status).toBe(307)
    const place = placeOf(answer)
    places.push(new URL(place).origin)
    bytes = Buffer.concat([bytes, await download(place, range)])
  }
  expect(bytes).toEqual(Buffer.from(layer.gzip))
  return places
}

/** As much as came before it broke off. */
async function download(url: string, headers: Readonly<Record<string, string>>): Promise<Buffer> {
  const parts: Uint8Array[] = []
  try {
    const answer = await fetch(url, { headers: { 'user-agent': downloads, ...headers } })
    for await (const part of answer.body!) parts.push(part)
  } catch {
    // What a broken transfer left counts.
  }
  return Buffer.concat(parts)
}

test('a front door with nothing but two keys of the control plane serves all of it', async () => {
  const [door] = doors as [FrontDoorElsewhere]
  await waitUntil(async () => (await whereTo(door, 10)).size === 2, { what: 'both hosts are used', everyMs: 250 })
  expect(hosts.map(({ url }) => url)).toEqual(expect.arrayContaining(await pull(door)))
  const notHere = await door.ask(blobOf(image.manifest.digest.replace(/.{8}$/, '00000000')), nextClient())
  expect(notHere.status).toBe(404)
})

test('one that was given the key of the block checks has them, and the others do without', async () => {
  const [without, door] = doors as [FrontDoorElsewhere, FrontDoorElsewhere]
  await waitUntil(() => kept<{ files: unknown[] }>(door, 'block-checks.json').files.length > 0, {
    what: 'the block checks are here',
  })
  expect(door.process.output()).not.toContain('block checks were not taken')
  await waitUntil(() => without.process.output().includes('copy keys/block.key'), {
    what: 'the other says what it lacks',
  })
})

test('a front door that was given too little says what is missing, and what to do', async () => {
  const data = join(folder, 'without')
  const start = (...flags: string[]) =>
    runProgram(
      flotillaProgram,
      ['serve', 'frontdoor', '--data', data, '--mirror-url', 'http://127.0.0.1:9', ...flags],
      {
        cwd: folder,
      },
    )
  const keys = join(control.data, 'keys')
  const ticketKey = ['--ticket-key', join(keys, 'ticket.key')]
  const both = [...ticketKey, '--frontdoor-key', join(keys, 'frontdoor.key')]
  for (const [flags, said] of [
    [[], /ticket-key: there is no .*: copy keys\/ticket\.key/],
    [ticketKey, /frontdoor-key: there is no .*: copy keys\/frontdoor\.key/],
    [both, /mirror-url: .*set origin-url/],
    [['--frontdoor-key', '/nowhere'], /frontdoor-key: \/nowhere cannot be read/],
  ] as const) {
    const { code, stderr } = await start(...flags)
    expect([code, stderr]).toEqual([2, expect.stringMatching(said) as never])
  }
})

test('one that is started beside it inherits what is proven: its first redirects cost the hosts nothing', async () => {
  doors.push(await openDoor('door2'))
  const [, , door] = doors as [unknown, unknown, FrontDoorElsewhere]
  const before = hosts.map(({ requests }) => requests.length)
  expect(await whereTo(door, 40)).toEqual(new Set(hosts.map(({ url }) => url)))
  const probes = hosts
    .flatMap(({ requests }, i) => requests.slice(before[i]))
    .filter(({ agent }) => agent === 'asking/1')
  expect(probes).toEqual([])
})

test('a host that is good to probers and breaks off downloads is out at every front door, before a fourth network is failed', async () => {
  const [bad] = hosts as [TwoFacedHost]
  bad.face = 'half'
  const isOut = () => doors.every((one) => heard(one, bad)?.circuit !== 'closed')
  let victims = 0
  for (const door of doors) {
    const what = 'a client is sent to the bad host, or it is out already'
    if ((await waitUntil(async () => (await pull(door))[0] === bad.url || (isOut() && 'out'), { what })) === 'out')
      break
    victims++
    const startedMs = performance.now()
    await waitUntil(() => isOut() || doors.every((one) => heard(one, bad)?.strikes === victims), {
      what: 'all front doors hear of it',
    })
    console.log(
      `what the ${victims}. network saw is known everywhere after ${Math.round(performance.now() - startedMs)} ms`,
    )
  }
  await waitUntil(isOut, { what: 'it is drained' })
  expect(victims).toBeGreaterThan(0)
  for (const door of doors) expect(await whereTo(door, 20)).toEqual(new Set([hosts[1]!.url]))
})

test('a blob that a host lacks by its own word is asked of it no more, and the bytes come from the origin', async () => {
  const [, host] = hosts as [unknown, TwoFacedHost]
  const [door] = doors as [FrontDoorElsewhere]
  rmSync(join(host.tree, blobPath(other.digest as Digest)))
  const client = nextClient()
  const sent = await door.ask(blobOf(other.digest), client)
  const ticket = new URL(placeOf(sent)).searchParams.get('t')
  const back = await door.ask(`${blobOf(other.digest)}?miss=${ticket}`, client)
  expect(placeOf(back)).toStartWith(`${control.url('origin')}/`)
  // The origin knows by address and ticket that it was sent by us.
  expect(await download(placeOf(back), { 'x-forwarded-for': client })).toEqual(Buffer.from(other.gzip))
  for (const one of doors) {
    await waitUntil(() => placed(one, host)?.missing.includes(other.digest), { what: 'the exception is known' })
    expect(placeOf(await one.ask(blobOf(other.digest), nextClient()))).toStartWith(control.url('origin'))
    expect(placeOf(await one.ask(blobOf(layer.digest), nextClient()))).toStartWith(host.url)
    expect(heard(one, host)).toMatchObject({ isAlive: true, circuit: 'closed', strikes: 0 })
  }
})

test('what was pulled through them is counted', async () => {
  type Popularity = { blobs: { digest: string; pulls: number }[] }
  await waitUntil(
    async () => {
      const { blobs } = await control.runJson<Popularity>('popularity')
      return (blobs.find(({ digest }) => digest === layer.digest)?.pulls ?? 0) > 20
    },
    { what: 'the pulls are counted', everyMs: 500 },
  )
})

test('one that shares the data folder finds the mirror role by it, and is heard as well', async () => {
  const [, host] = hosts as [unknown, TwoFacedHost]
  const port = await findFreePort()
  await using _ = startProcess(flotillaProgram, ['serve', 'frontdoor'], {
    logFile: join(folder, 'sharing.log'),
    cwd: folder,
    env: { ...control.env, FLOTILLA_FRONTDOOR_LISTEN: `127.0.0.1:${port}`, FLOTILLA_MIRROR_LISTEN: undefined },
  })
  const ask = (headers: Record<string, string>) =>
    fetch(`http://127.0.0.1:${port}${blobOf(layer.digest)}`, { redirect: 'manual', headers })
  const client = { 'x-forwarded-for': nextClient() }
  const sent = await waitUntil(() => ask(client), { what: 'it answers' })
  expect(placeOf(sent)).toStartWith(host.url)
  await ask({ ...client, range: 'bytes=1000-' })
  for (const one of doors) await waitUntil(() => heard(one, host)?.strikes === 1, { what: 'its strike is known' })
})

test('with registry, manager, worker and mirror killed pulls go on; started again, they hear what was seen meanwhile', async () => {
  const [bad, host] = hosts as [TwoFacedHost, TwoFacedHost]
  control.process.signal('SIGKILL')
  await control.process.exited
  for (const door of doors) expect(await pull(door)).toEqual([host.url])
  const [door] = doors as [FrontDoorElsewhere]
  const client = nextClient()
  await door.ask(blobOf(layer.digest), client)
  await door.ask(blobOf(layer.digest), client, { range: 'bytes=1000-' })
  again = startProcess(flotillaProgram, ['serve', ...controlRoles], {
    logFile: join(folder, 'again.log'),
    cwd: folder,
    env: control.env,
  })
  for (const one of doors) {
    await waitUntil(() => heard(one, host)?.strikes === 1, { what: 'the strike of before is known' })
    expect(heard(one, bad)?.circuit).not.toBe('closed')
    expect(await whereTo(one, 10)).toContain(host.url)
  }
})

test('with the control plane and the origin killed and the catalogue gone, a front door starts again from its disk', async () => {
  const [, host] = hosts as [unknown, TwoFacedHost]
  const [door] = doors as [FrontDoorElsewhere]
  for (const one of [again!, origin]) {
    one.signal('SIGKILL')
    await one.exited
  }
  rmSync(control.data, { recursive: true })
  const { port } = new URL(door.url)
  await door[Symbol.asyncDispose]()
  doors[0] = await openDoor('door0', Number(port))
  for (const one of doors) expect(await pull(one)).toEqual([host.url])
})
