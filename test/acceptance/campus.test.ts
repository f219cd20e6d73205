// A campus of its own: with the origin stopped, real clients pull by tag and by digest from the front door over the copy; with the
// origin back, one run of replicate later, it follows.

import { afterAll, beforeAll, expect, test } from 'bun:test'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startCampus } from '../kit/campus-process.ts'
import { startContainerd } from '../kit/clients/containerd.ts'
import { makeBuildah, makePodman, makeSkopeo } from '../kit/clients/containers-image.ts'
import { startDocker } from '../kit/clients/docker.ts'
import type { ClientOptions, ImageClient } from '../kit/clients/image-client.ts'
import { type Flotilla, startFlotilla } from '../kit/flotilla.ts'
import { adminToken, askRegistry, must, pushBlob } from '../kit/flotilla-client.ts'
import { findFreePort } from '../kit/free-port.ts'
import { type Image, makeImage, makeLayer, otherPlatform, ownPlatform } from '../kit/images.ts'
import { describeWith, unlessRoot } from '../kit/need-tool.ts'
import type { RunningProcess } from '../kit/process.ts'
import { waitUntil } from '../kit/wait-until.ts'

const tools = ['docker', 'dockerd', 'containerd', 'ctr', 'podman', 'buildah', 'skopeo']
const starters: readonly (readonly [string, (options: ClientOptions) => ImageClient | Promise<ImageClient>])[] = [
  ['docker', startDocker],
  ['podman', makePodman],
  ['buildah', makeBuildah],
  ['skopeo', makeSkopeo],
  ['ctr', startContainerd],
]
const names = starters.map(([name]) => name)
const login = { user: 'admin', password: adminToken }
const manifestTypes = 'application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json'

describeWith(
  'campus',
  tools,
  unlessRoot(),
)('a campus with the origin stopped', () => {
  const folder = mkdtempSync(join(tmpdir(), 'flotilla-campus-'))
  const copy = join(folder, 'copy')
  const clients = new Map<string, ImageClient>()
  const images: Readonly<Record<string, readonly [Image, ...Image[]]>> = {
    app: [makeImage([makeLayer(300 * 1024), makeLayer(2 * 1024 * 1024), makeLayer(2000)])],
    multi: [makeImage([makeLayer(200 * 1024)], ownPlatform), makeImage([makeLayer(200 * 1024)], otherPlatform)],
    tiny: [makeImage([makeLayer(2000)])],
  }
  const next = makeImage([makeLayer(400 * 1024)])
  let origin: Flotilla
  let campus: RunningProcess
  let port: number
  let attached: string

  const startOrigin = () =>
    startFlotilla({ folder: join(folder, 'origin'), env: { FLOTILLA_DEMO: '0', FLOTILLA_ADMIN_TOKEN: adminToken } })
  const place = () => ({ folder: join(folder, 'campus'), copy, port })
  const at = (path: string) => `http://127.0.0.1:${port}/v2/${path}`
  const replicate = () =>
    origin.run('replicate', '--from', origin.url('origin'), '--to', copy, '--name', 'campus.example.org')
  const digestOfTag = async (repository: string) => {
    const answer = await fetch(at(`${repository}/manifests/latest`), { headers: { accept: manifestTypes } })
    expect(answer.status).toBe(200)
    return answer.headers.get('docker-content-digest')!
  }

  /** What is attached to an image: a manifest of its own with it as the subject. */
  async function attach(repository: string): Promise<string> {
    const path = `/v2/${repository}/manifests/latest`
    const subject = await must('read', 200, askRegistry(origin, path, { headers: { accept: manifestTypes } }))
    const bytes = new Uint8Array(await subject.arrayBuffer())
    const config = new TextEncoder().encode('{}')
    const empty = await pushBlob(origin, repository, config)
    const mediaType = 'application/vnd.oci.image.manifest.v1+json'
    const body = JSON.stringify({
      schemaVersion: 2,
      mediaType,
      artifactType: 'application/spdx+json',
      config: { mediaType: 'application/vnd.oci.empty.v1+json', digest: empty, size: config.length },
      layers: [{ mediaType: 'application/vnd.oci.empty.v1+json', digest: empty, size: config.length }],
      subject: { mediaType, digest: subject.headers.get('docker-content-digest'), size: bytes.length },
    })
    const headers = { 'content-type': mediaType }
    const put = askRegistry(origin, `/v2/${repository}/manifests/sbom`, { method: 'PUT', headers, body })
    return (await must('attach', 201, put)).headers.get('docker-content-digest')!
  }

  beforeAll(async () => {
    for (const name of ['origin', 'campus']) mkdirSync(join(folder, name))
    port = await findFreePort()
    origin = await startOrigin()
    for (const [name, start] of starters) {
      const plainHttp = [origin.address('registry'), `127.0.0.1:${port}`]
      clients.set(name, await start({ folder: join(folder, name), plainHttp }))
    }
    const skopeo = clients.get('skopeo')!
    for (const [name, platforms] of Object.entries(images))
      await skopeo.push(platforms, `${origin.address('registry')}/campus/${name}:latest`, login)
    attached = await attach('campus/app')
    const references = [...Object.keys(images).map((name) => `campus/${name}:latest`), 'campus/app:sbom']
    await origin.run('promote', ...references, '--to', 'stable')
    await origin.run('publish', '--now')
    await replicate()
    await origin.process.stop()
    campus = await startCampus(place())
  })
  afterAll(async () => {
    for (const client of clients.values()) await client[Symbol.asyncDispose]()
    await campus?.[Symbol.asyncDispose]()
    await origin?.[Symbol.asyncDispose]()
    rmSync(folder, { recursive: true, force: true })
  })

  const pulls = names.flatMap((name) => Object.keys(images).map((image) => [name, image] as const))
  const pullsBoth = async (name: string, image: string) => {
    const client = clients.get(name)!
    const expected = images[image]![0].config.digest
    const repository = `127.0.0.1:${port}/campus/${image}`
    expect(await client.pull(`${repository}:latest`)).toBe(expected)
    expect(await client.pull(`${repository}@${await digestOfTag(`campus/${image}`)}`)).toBe(expected)
  }

  test.each(pulls)('%s pulls %s by tag and by digest', pullsBoth)

  test('it lists repositories, tags and referrers', async () => {
    const repositories = Object.keys(images).map((name) => `campus/${name}`)
    expect(await (await fetch(at('_catalog'))).json()).toEqual({ repositories })
    expect(await (await fetch(at('campus/app/tags/list'))).json()).toEqual({
      name: 'campus/app',
      tags: ['latest', 'sbom'],
    })
    const referrers = await fetch(at(`campus/app/referrers/${await digestOfTag('campus/app')}`))
    const { manifests } = (await referrers.json()) as { manifests: { digest: string }[] }
    expect(manifests.map(({ digest }) => digest)).toEqual([attached])
  })

  test('killed and started again, with the copy as its blob store, it serves the same', async () => {
    expect(campus.output()).toContain(`docker pull 127.0.0.1:${port}/campus/app:latest`)
    const before = await digestOfTag('campus/app')
    campus.signal('SIGKILL')
    await campus.exited
    campus = await startCampus({ ...place(), isBlobStore: true })
    expect(await digestOfTag('campus/app')).toBe(before)
    await pullsBoth('docker', 'app')
    await pullsBoth('podman', 'multi')
  })

  test('with the origin back, it follows the next copy within a poll', async () => {
    origin = await startOrigin()
    const pusher = makeSkopeo({ folder: join(folder, 'pusher'), plainHttp: [origin.address('registry')] })
    await pusher.push([next], `${origin.address('registry')}/campus/app:next`, login)
    await origin.run('promote', 'campus/app:next', '--to', 'stable')
    await origin.run('publish', '--now')
    await replicate()
    const isServed = async () => (await fetch(at('campus/app/manifests/next'), { method: 'HEAD' })).ok
    await waitUntil(isServed, { what: 'the new tag', limitMs: 5000 })
    for (const name of names)
      expect(await clients.get(name)!.pull(`127.0.0.1:${port}/campus/app:next`)).toBe(next.config.digest)
  })
})
