// docker with a daemon of its own; nothing of a daemon that may run on the machine is touched.

import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { type Image, makeDockerArchive } from '../images.ts'
import { mustRun, runProgram, startProcess } from '../process.ts'
import { getTool } from '../tool.ts'
import { waitUntil } from '../wait-until.ts'
import { type ClientOptions, hostOf, type ImageClient, type Login } from './image-client.ts'

const daemonOptions = ['--iptables=false', '--ip6tables=false', '--bridge=none', '--storage-driver=vfs']

export async function startDocker({ folder, plainHttp, trust }: ClientOptions): Promise<ImageClient> {
  mkdirSync(folder, { recursive: true })
  const at = (name: string) => join(folder, name)
  const socket = `unix://${at('docker.sock')}`
  const trusted = trust === undefined ? {} : { SSL_CERT_FILE: trust }
  const places = ['--data-root', at('data'), '--exec-root', at('exec'), '--pidfile', at('pid'), '-H', socket]
  const insecure = plainHttp.map((host) => `--insecure-registry=${host}`)
  const daemon = startProcess(getTool('dockerd'), [...places, ...daemonOptions, ...insecure], {
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

  async function pushIndex(images: readonly Image[], target: string): Promise<void> {
    const parts = images.map((image) => `${target}-${image.platform.architecture}`)
    for (const [at, image] of images.entries()) await pushImage(image, parts[at]!)
    const insecureFlag = plainHttp.includes(hostOf(target)) ? ['--insecure'] : []
    await docker(['manifest', 'create', ...insecureFlag, target, ...parts])
    await docker(['manifest', 'push', ...insecureFlag, '--purge', target])
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
      await (images.length === 1 ? pushImage(images[0]!, target) : pushIndex(images, target))
    },
    async pull(reference) {
      await docker(['image', 'prune', '-af'])
      await docker(['pull', reference])
      return (await docker(['image', 'inspect', '--format', '{{.Id}}', reference])).trim()
    },
    [Symbol.asyncDispose]: () => daemon[Symbol.asyncDispose](),
  }
}
