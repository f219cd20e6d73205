// The clients of the kit themselves, against Debian's docker-registry.

import { afterAll, beforeAll, expect, test } from 'bun:test'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type DockerRegistry, startDockerRegistry } from '../docker-registry.ts'
import { makeImage, makeLayer, otherPlatform } from '../images.ts'
import { describeWith, unlessRoot } from '../need-tool.ts'
import { startContainerd } from './containerd.ts'
import { makeBuildah, makePodman, makeSkopeo } from './containers-image.ts'
import { startDocker } from './docker.ts'

const tools = ['docker', 'dockerd', 'containerd', 'ctr', 'podman', 'buildah', 'skopeo', 'docker-registry']

describeWith(
  'image clients',
  tools,
  unlessRoot(),
)('image clients', () => {
  const folder = mkdtempSync(join(tmpdir(), 'flotilla-clients-'))
  let registry: DockerRegistry
  beforeAll(async () => {
    registry = await startDockerRegistry(join(folder, 'registry'))
  })
  afterAll(async () => {
    await registry[Symbol.asyncDispose]()
    rmSync(folder, { recursive: true })
  })

  test.each([
    ['docker', startDocker],
    ['podman', makePodman],
    ['buildah', makeBuildah],
    ['skopeo', makeSkopeo],
    ['ctr', startContainerd],
  ] as const)('%s pushes and pulls an image and an index', async (name, start) => {
    await using client = await start({ folder: join(folder, name), plainHttp: [registry.host] })
    const login = { user: 'someone', password: 'something' }
    const own = makeImage([makeLayer(300 * 1024), makeLayer(2000)])
    const other = makeImage([makeLayer(100 * 1024)], otherPlatform)
    await client.push([own], `${registry.host}/kit/${name}:one`, login)
    expect(await client.pull(`${registry.host}/kit/${name}:one`)).toBe(own.config.digest)
    await client.push([own, other], `${registry.host}/kit/${name}:two`, login)
    expect(await client.pull(`${registry.host}/kit/${name}:two`)).toBe(own.config.digest)
    const accept = [
      'application/vnd.oci.image.index.v1+json',
      'application/vnd.docker.distribution.manifest.list.v2+json',
    ]
    const headers = { accept: accept.join(', ') }
    const index = await (await fetch(`http://${registry.host}/v2/kit/${name}/manifests/two`, { headers })).json()
    expect(index).toMatchObject({ manifests: [{ platform: own.platform }, { platform: other.platform }] })
  })
})
