// The promise that everything serves: real clients push, releases are promoted, volunteers copy, and the same clients then pull with
// every layer coming from a volunteer. Clients, hosts and Flotilla are all run as their users run them.

import { afterAll, beforeAll, expect, test } from 'bun:test'
import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startContainerd } from '../kit/clients/containerd.ts'
import { makeBuildah, makePodman, makeSkopeo } from '../kit/clients/containers-image.ts'
import { startDocker } from '../kit/clients/docker.ts'
import type { ClientOptions, ImageClient } from '../kit/clients/image-client.ts'
import { type Image, makeImage, makeLayer, otherPlatform, ownPlatform } from '../kit/images.ts'
import { describeWith, unlessRoot } from '../kit/need-tool.ts'
import { type Fleet, hostNames, type PublishedImage, type Scheme, startFleet } from './fleet.ts'

const smallBlobBytes = 64 * 1024
const tools = [
  'docker',
  'dockerd',
  'containerd',
  'ctr',
  'podman',
  'buildah',
  'skopeo',
  'nginx',
  'apache2',
  'rsync',
  'openssl',
]

type Starter = (options: ClientOptions) => ImageClient | Promise<ImageClient>
const starters: readonly (readonly [string, Starter])[] = [
  ['docker', startDocker],
  ['podman', makePodman],
  ['buildah', makeBuildah],
  ['skopeo', makeSkopeo],
  ['ctr', startContainerd],
]
const names = starters.map(([name]) => name)

/** Two layers that travel and one that stays home. */
function makeRelease(platform = ownPlatform): Image {
  return makeImage([makeLayer(300 * 1024), makeLayer(2 * 1024 * 1024), makeLayer(2000)], platform)
}

describeWith('clients', tools, unlessRoot()).each<Scheme>(['http', 'https'])('clients over %s', (scheme) => {
  const folder = mkdtempSync(join(tmpdir(), 'flotilla-acceptance-'))
  const clients = new Map<string, ImageClient>()
  const first = new Map(names.map((name) => [name, makeRelease()]))
  const second = new Map(names.map((name) => [name, makeRelease()]))
  const indexes = new Map(names.map((name) => [name, [makeRelease(), makeRelease(otherPlatform)]]))
  let fleet: Fleet

  beforeAll(async () => {
    chmodSync(folder, 0o711) // web servers and rsyncd give up their rights
    fleet = await startFleet(join(folder, 'fleet'), scheme)
    const { flotilla, trust } = fleet
    const plainHttp = scheme === 'http' ? [flotilla.address('registry'), flotilla.address('frontdoor')] : []
    for (const [name, start] of starters) {
      clients.set(name, await start({ folder: join(folder, name), plainHttp, trust }))
    }
  })
  afterAll(async () => {
    for (const client of clients.values()) await client[Symbol.asyncDispose]()
    await fleet?.[Symbol.asyncDispose]()
    rmSync(folder, { recursive: true, force: true })
  })

  const push = (name: string, tag: string, images: readonly Image[]) =>
    clients.get(name)!.push(images, `${fleet.flotilla.address('registry')}/release/${name}:${tag}`, fleet.login)

  function servedTo(client: ImageClient, digest: string) {
    const path = `/blobs/sha256/${digest.slice(7, 9)}/${digest.slice(7)}`
    const whole = fleet.requests().filter((one) => one.path === path && one.method === 'GET' && one.status === 200)
    return whole.filter((one) => client.agent.test(one.agent))
  }

  /** Pulls, and checks that what came is right and who gave it. */
  async function pullAndCheck(name: string, tag: string, expected: Image): Promise<PublishedImage> {
    const client = clients.get(name)!
    const image = await fleet.readImage(`release/${name}`, tag, ownPlatform.architecture)
    const travelling = image.layers.filter((layer) => layer.sizeBytes >= smallBlobBytes)
    expect(travelling).toHaveLength(2)
    const before = travelling.map((layer) => servedTo(client, layer.digest).length)
    expect(await client.pull(`${fleet.flotilla.address('frontdoor')}/release/${name}:${tag}`)).toBe(
      expected.config.digest,
    )
    for (const [at, layer] of travelling.entries()) {
      const served = servedTo(client, layer.digest).slice(before[at])
      // Perhaps twice: on evidence, as when somebody pulls again, the mirror role reads the blob in the manner of a client.
      expect(new Set(served.map((one) => one.sentBytes >= layer.sizeBytes))).toEqual(new Set([true]))
    }
    const home = [
      ...image.manifests,
      image.config.digest,
      ...image.layers.filter((one) => !travelling.includes(one)).map((one) => one.digest),
    ]
    for (const digest of home) expect(fleet.requests().filter((one) => one.path.includes(digest.slice(7)))).toEqual([])
    return image
  }

  test.each(names)('%s pushes an image and an index of two platforms', async (name) => {
    await push(name, 'latest', [first.get(name)!])
    await push(name, 'multi', indexes.get(name)!)
  })

  test('one act promotes them all, and the hosts copy', async () => {
    const references = names.flatMap((name) => [`release/${name}:latest`, `release/${name}:multi`])
    await fleet.flotilla.run('promote', ...references, '--to', 'stable')
    await fleet.publishToHosts()
  })

  test.each(names)('%s pulls the image, its layers from hosts', async (name) => {
    await pullAndCheck(name, 'latest', first.get(name)!)
  })

  test.each(names)('%s pulls its platform of the index, its layers from hosts', async (name) => {
    await pullAndCheck(name, 'multi', indexes.get(name)![0]!)
  })

  test('a second version replaces the first only when it is promoted', async () => {
    for (const name of names) await push(name, 'latest', [second.get(name)!])
    const before = await fleet.readImage('release/skopeo', 'latest', ownPlatform.architecture)
    expect(before.config.digest).toBe(first.get('skopeo')!.config.digest)
    await fleet.flotilla.run('promote', ...names.map((name) => `release/${name}:latest`), '--to', 'stable')
    await fleet.publishToHosts()
  })

  test.each(names)('%s pulls the second version, its layers from hosts', async (name) => {
    await pullAndCheck(name, 'latest', second.get(name)!)
  })

  test('a rollback is a new generation', async () => {
    for (const name of names) await fleet.flotilla.run('rollback', `release/${name}`, '--channel', 'stable')
    await fleet.publishToHosts()
  })

  test.each(names)('%s pulls the first version again, its layers from hosts', async (name) => {
    await pullAndCheck(name, 'latest', first.get(name)!)
  })

  test('every kind of host took part', () => {
    for (const name of hostNames) {
      const served = fleet
        .requestsOf(name)
        .filter((one) => [...clients.values()].some((client) => client.agent.test(one.agent)))
      expect(served.length).toBeGreaterThan(0)
    }
  })
})
