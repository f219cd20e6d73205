// docker with a daemon of its own; nothing of a daemon that may run on the machine is touched.

import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { digestOf, type Image, makeDockerArchive } from '../images.ts'
import { mustRun, runProgram, startProcess } from '../process.ts'
import { authorize, type RegistryAccess, trusting } from '../registry-token.ts'
import { getTool } from '../tool.ts'
import { waitUntil } from '../wait-until.ts'
import { type ClientOptions, hostOf, type ImageClient, type Login, pullLimit } from './image-client.ts'

type Part = { readonly mediaType: string; readonly digest: string; readonly size: number }

/** `docker manifest` knows only http for loopback addresses, so over https the list that it would push is put by hand. */
async function putManifestList(
  access: RegistryAccess,
  target: string,
  images: readonly Image[],
  parts: readonly string[],
): Promise<void> {
  const [repository = '', tag = ''] = target.slice(target.indexOf('/') + 1).split(':')
  const authorization = await authorize(access, repository)
  const at = (reference: string) => `${access.base}/v2/${repository}/manifests/${reference}`
  const describePart = async (part: string): Promise<Part> => {
    const headers = { authorization, accept: 'application/vnd.docker.distribution.manifest.v2+json' }
    const answer = await fetch(at(part.slice(part.lastIndexOf(':') + 1)), { headers, ...trusting(access.trust) })
    const bytes = new Uint8Array(await answer.arrayBuffer())
    return { mediaType: headers.accept, digest: digestOf(bytes), size: bytes.length }
  }
  const described = await Promise.all(parts.map(describePart))
  const mediaType = 'application/vnd.docker.distribution.manifest.list.v2+json'
  const manifests = described.map((part, index) => ({ ...part, platform: images[index]!.platform }))
  const body = JSON.stringify({ schemaVersion: 2, mediaType, manifests })
  const headers = { authorization, 'content-type': mediaType }
  const answer = await fetch(at(tag), { method: 'PUT', headers, body, ...trusting(access.trust) })
  if (answer.status !== 201) throw new Error(`${at(tag)}: ${answer.status} ${await answer.text()}`)
}

const daemonOptions = ['--iptables=false', '--ip6tables=false', '--bridge=none']
const stores = {
  classic: ['--storage-driver=vfs'],
  containerd: ['--feature', 'containerd-snapshotter=true', '--storage-driver=native'],
} as const

/** With the store that images had before containerd's. */
export function startDocker(options: ClientOptions): Promise<ImageClient> {
  return startDaemon(options, 'classic')
}

/** As docker keeps images from version 29 on. */
export function startDockerOnContainerd(options: ClientOptions): Promise<ImageClient> {
  return startDaemon(options, 'containerd')
}

async function startDaemon(options: ClientOptions, store: keyof typeof stores): Promise<ImageClient> {
  const { folder, plainHttp, trust } = options
  mkdirSync(folder, { recursive: true })
  const at = (name: string) => join(folder, name)
  const socket = `unix://${at('docker.sock')}`
  const trusted = trust === undefined ? {} : { SSL_CERT_FILE: trust }
  const places = ['--data-root', at('data'), '--exec-root', at('exec'), '--pidfile', at('pid'), '-H', socket]
  const insecure = plainHttp.map((host) => `--insecure-registry=${host}`)
  const daemon = startProcess(getTool('dockerd'), [...places, ...daemonOptions, ...stores[store], ...insecure], {
    logFile: at('dockerd.log'),
    env: { ...trusted, HOME: folder },
  })
  const env = { ...trusted, HOME: folder, DOCKER_CONFIG: at('config'), DOCKER_HOST: socket }
  const docker = (args: readonly string[], input?: string | Uint8Array) =>
    mustRun(getTool('docker'), args, { env, ...(input !== undefined && { input }) })
  await waitUntil(
    async () => {
      if (!daemon.isRunning()) throw new Error(daemon.output())
      return (await runProgram(getTool('docker'), ['version'], { env })).code === 0
    },
    { what: 'dockerd answers', limitMs: 60_000, everyMs: 100 },
  )

  async function pushIndex(images: readonly Image[], target: string, login: Login): Promise<void> {
    const parts = images.map((image) => `${target}-${image.platform.architecture}`)
    for (const [at, image] of images.entries()) await pushImage(image, parts[at]!)
    const access = { base: `https://${hostOf(target)}`, login, trust }
    if (!plainHttp.includes(hostOf(target))) return await putManifestList(access, target, images, parts)
    await docker(['manifest', 'create', '--insecure', target, ...parts])
    await docker(['manifest', 'push', '--insecure', '--purge', target])
  }

  async function pushImage(image: Image, target: string): Promise<void> {
    await docker(['load'], makeDockerArchive(image, target))
    await docker(['push', target])
  }

  return {
    name: 'docker',
    agent: /^docker\//,
    async push(images: readonly Image[], target: string, login: Login) {
      await docker(['login', '-u', login.user, '--password-stdin', hostOf(target)], login.password)
      await (images.length === 1 ? pushImage(images[0]!, target) : pushIndex(images, target, login))
    },
    async pull(reference) {
      await docker(['image', 'prune', '-af'])
      await mustRun(getTool('docker'), ['pull', reference], { env, ...pullLimit(options) })
      return (await docker(['image', 'inspect', '--format', '{{.Id}}', reference])).trim()
    },
    [Symbol.asyncDispose]: () => daemon[Symbol.asyncDispose](),
  }
}
