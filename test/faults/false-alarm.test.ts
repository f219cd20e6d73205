// What real clients do in good health must not look like a host that fails: no strike, and the bytes come from hosts. Each test is
// another habit that sends the same client network to the front door for the same blob again and again.

import { afterEach, expect, test } from 'bun:test'
import { setTimeout as pause } from 'node:timers/promises'
import { mediaTypes } from '#oci/media-type.ts'
import { exchange } from '../kit/client-exchange.ts'
import { dockerAgent } from '../kit/scripted-client.ts'
import { SimFleet } from '../kit/sim-fleet.ts'
import { simRepository, simTag } from '../kit/sim-tree.ts'

const mebibyte = 1024 * 1024
const layerBytes = 20 * mebibyte
const chunkBytes = 8 * mebibyte
const crowdHaste = 60
/** Of the crowd's clock. */
const minuteMs = 60_000 / crowdHaste
const containerdAgent = 'containerd/2.1.9+unknown'
const podmanAgent = 'containers/5.36.2 (github.com/containers/image)'

let fleet: SimFleet
afterEach(() => fleet[Symbol.asyncDispose]())

/** Chunks need large layers; crowds need minutes, which pass sixty times as fast. */
async function startFleet(kind: 'chunks' | 'crowds'): Promise<void> {
  const sizes = kind === 'chunks' ? { blobBytes: layerBytes, haste: 1 } : { blobBytes: 70_000, haste: crowdHaste }
  fleet = await SimFleet.start({ hosts: 8, gold: 2, blobs: 3, ...sizes })
  await fleet.watch()
}

type Got = { readonly hostBytes: number; readonly frontBytes: number; readonly host: string | undefined }

/** As a client in one network asks; follows one redirect. */
async function get(range: string | undefined, userAgent: string, address = '10.1.2.3', blob = 0): Promise<Got> {
  const { digest } = fleet.tree.blobs[blob]!
  const headers = { 'user-agent': userAgent, 'x-forwarded-for': address, ...(range && { range }) }
  const options = { headers, silenceMs: 20_000 }
  const first = await exchange(`${fleet.url}${fleet.pathOf(digest)}`, options)
  const location = first.header('location')
  if (location === undefined) return { hostBytes: 0, frontBytes: first.body.length, host: undefined }
  const second = await exchange(location, options)
  expect([200, 206]).toContain(second.status)
  return { hostBytes: second.body.length, frontBytes: 0, host: new URL(location).host }
}

/** Every pull asks for its image first. */
async function beginPull(userAgent: string, address: string): Promise<void> {
  const headers = { 'user-agent': userAgent, 'x-forwarded-for': address, accept: mediaTypes.ociManifest }
  const { status } = await exchange(`${fleet.url}/v2/${simRepository}/manifests/${simTag}`, {
    headers,
    silenceMs: 20_000,
  })
  expect(status).toBe(200)
}

/** Prints the share, and holds what must be true of every habit. */
function expectCalm(what: string, gots: readonly Got[]): void {
  const host = gots.reduce((sum, { hostBytes }) => sum + hostBytes, 0)
  const front = gots.reduce((sum, { frontBytes }) => sum + frontBytes, 0)
  const strikes = fleet.evidence.filter(({ kind }) => kind === 'resume' || kind === 'return' || kind === 'miss')
  const share = (100 * host) / (host + front)
  const returns = fleet.evidence.length - strikes.length
  console.log(`${what}: ${share.toFixed(1)} % of bytes from hosts, ${strikes.length} strikes, ${returns} weak returns`)
  expect(strikes).toEqual([])
  expect(share).toBeGreaterThanOrEqual(95)
  const circuits = [...fleet.holder.current.fleet.health.byId.values()].map(({ circuit }) => circuit)
  expect(new Set(circuits)).toEqual(new Set(['closed']))
}

const chunksOf = (sizeBytes: number) =>
  Array.from({ length: Math.ceil(sizeBytes / chunkBytes) }, (_, i) => i * chunkBytes)

test('containerd 2.1 with closed ranges: parallel chunks of 8 MiB from one host', async () => {
  await startFleet('chunks')
  const { sizeBytes } = fleet.tree.blobs[0]!
  const closed = chunksOf(sizeBytes).map((first) => `bytes=${first}-${Math.min(first + chunkBytes, sizeBytes) - 1}`)
  const gots = await Promise.all(closed.map((range) => get(range, containerdAgent)))
  expect(new Set(gots.map(({ host }) => host)).size).toBe(1)
  expectCalm('closed ranges', gots)
})

test('containerd 2.1 with open ranges: it stops reading each where the next one began', async () => {
  await startFleet('chunks')
  const { sizeBytes } = fleet.tree.blobs[0]!
  // The first open asks what ranges are good for here; the parts follow at once.
  const first = await get('bytes=0-', containerdAgent)
  const parts = chunksOf(sizeBytes)
    .slice(1)
    .map((start) => get(`bytes=${start}-`, containerdAgent))
  const gots = [first, ...(await Promise.all(parts))]
  expect(new Set(gots.map(({ host }) => host)).size).toBe(1)
  expectCalm('open ranges', gots)
})

test('podman with zstd:chunked: several ranges in one request, again and again', async () => {
  await startFleet('chunks')
  const ranges = Array.from(
    { length: 12 },
    (_, i) => `bytes=${i * 900_001}-${i * 900_001 + 4_000},${i * 900_001 + 500_000}-${i * 900_001 + 510_000}`,
  )
  const gots: Got[] = []
  for (const range of ranges) gots.push(await get(range, podmanAgent))
  expectCalm('multi-range', gots)
})

test('a chunk that is asked for again alone, at a whole MiB, stays with its host', async () => {
  await startFleet('chunks')
  const gots = [await get(undefined, containerdAgent)]
  for (const start of [8, 16, 8]) gots.push(await get(`bytes=${start * mebibyte}-`, containerdAgent))
  expect(new Set(gots.map(({ host }) => host)).size).toBe(1)
  expectCalm('a chunk again', gots)
})

/** Until the moment at which the nth of evenly spaced asks is due: a busy machine bunches them, and takes no longer. */
function pauseUntil(begunMs: number, n: number, stepMs: number): Promise<void> {
  return pause(Math.max(0, begunMs + n * stepMs - performance.now()))
}

/** `count` pulls of every layer by machines of these networks, spread evenly over some minutes. */
async function crowd(count: number, minutes: number, networks: readonly string[]): Promise<Got[]> {
  const gots: Promise<Got>[] = []
  const begunMs = performance.now()
  for (let n = 0; n < count; n++) {
    const address = networks[n % networks.length]!
    const userAgent = n % 3 === 0 ? containerdAgent : dockerAgent
    const begun = beginPull(userAgent, address)
    for (const blob of fleet.tree.blobs.keys()) gots.push(begun.then(() => get(undefined, userAgent, address, blob)))
    await pauseUntil(begunMs, n + 1, (minutes * minuteMs) / count)
  }
  return Promise.all(gots)
}

test('200 machines behind one address pull the same layers within five minutes', async () => {
  await startFleet('crowds')
  expectCalm('one address', await crowd(200, 5, ['10.1.2.3']))
})

test('five such networks at once: their returns together drain nobody', async () => {
  await startFleet('crowds')
  const networks = [1, 2, 3, 4, 5].map((n) => `10.${n}.2.3`)
  expectCalm('five networks', await crowd(300, 5, networks))
})

test('a reboot of a whole network: 200 pulls of one layer at the same moment, twice', async () => {
  await startFleet('crowds')
  const gots: Got[] = []
  for (let round = 0; round < 2; round++) {
    const pull = async () => {
      await beginPull(dockerAgent, '10.1.2.3')
      return await get(undefined, dockerAgent)
    }
    gots.push(...(await Promise.all(Array.from({ length: 200 }, pull))))
    await pause(minuteMs)
  }
  expectCalm('a reboot', gots)
})

test('Ctrl-C and pull again six seconds later, in forty networks', async () => {
  await startFleet('crowds')
  const gots: Got[] = []
  for (let n = 0; n < 40; n++) {
    const address = `10.1.${n}.1`
    const { digest } = fleet.tree.blobs[0]!
    await beginPull(dockerAgent, address)
    // It took the redirect and was gone before the body.
    await exchange(`${fleet.url}${fleet.pathOf(digest)}`, {
      headers: { 'user-agent': dockerAgent, 'x-forwarded-for': address },
      silenceMs: 20_000,
    })
    await pause(minuteMs / 10)
    await beginPull(dockerAgent, address)
    gots.push(await get(undefined, dockerAgent, address))
  }
  expectCalm('Ctrl-C', gots)
})

test('a health checker asks for the same layer every ten seconds for ten minutes', async () => {
  await startFleet('crowds')
  const gots: Got[] = []
  const begunMs = performance.now()
  for (let n = 0; n < 60; n++) {
    gots.push(await get(undefined, 'kube-probe/1.31'))
    await pauseUntil(begunMs, n + 1, minuteMs / 6)
  }
  expectCalm('a health checker', gots)
})
