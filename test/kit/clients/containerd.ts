// ctr with a containerd of its own.

import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ownPlatform, writeOciLayout } from '../images.ts'
import { mustRun, runProgram, startProcess } from '../process.ts'
import { getTool } from '../tool.ts'
import { waitUntil } from '../wait-until.ts'
import { type ClientOptions, hostOf, type ImageClient, pullLimit } from './image-client.ts'

type Descriptor = {
  readonly digest: string
  readonly platform?: { readonly os: string; readonly architecture: string }
}
type Manifest = { readonly config?: Descriptor; readonly manifests?: readonly Descriptor[] }

/** Left alone, ctr takes a loopback address for a plain http one. */
function writeHosts(folder: string, host: string): string {
  mkdirSync(join(folder, host), { recursive: true })
  writeFileSync(join(folder, host, 'hosts.toml'), `[host."https://${host}"]\n`)
  return folder
}

export async function startContainerd(options: ClientOptions): Promise<ImageClient> {
  const { folder, plainHttp, trust } = options
  mkdirSync(folder, { recursive: true })
  const at = (name: string) => join(folder, name)
  const socket = at('containerd.sock')
  const config = [
    'version = 2',
    `root = "${at('root')}"`,
    `state = "${at('state')}"`,
    'disabled_plugins = ["io.containerd.grpc.v1.cri"]',
    `[grpc]\naddress = "${socket}"`,
    `[plugins."io.containerd.internal.v1.opt"]\npath = "${at('opt')}"`,
    // From version 2 on the daemon itself pulls and unpacks, and must be told where to.
    '[[plugins."io.containerd.transfer.v1.local".unpack_config]]',
    `platform = "linux/${ownPlatform.architecture}"\nsnapshotter = "native"`,
  ]
  writeFileSync(at('config.toml'), config.join('\n'))
  const env = { HOME: folder, ...(trust !== undefined && { SSL_CERT_FILE: trust }) }
  const daemon = startProcess(getTool('containerd'), ['-c', at('config.toml')], { logFile: at('log'), env })
  const ctrArgs = (args: readonly string[]) => ['-a', socket, ...args]
  const ctr = (...args: string[]) => mustRun(getTool('ctr'), ctrArgs(args), { env })
  await waitUntil(
    async () => {
      if (!daemon.isRunning()) throw new Error(daemon.output())
      return (await runProgram(getTool('ctr'), ctrArgs(['version']), { env })).code === 0
    },
    { what: 'containerd answers', limitMs: 60_000, everyMs: 100 },
  )
  const scheme = (reference: string) => {
    const host = hostOf(reference)
    return plainHttp.includes(host) ? ['--plain-http'] : ['--hosts-dir', writeHosts(at('hosts'), host)]
  }

  async function forgetAll(): Promise<void> {
    const names = (await ctr('images', 'ls', '-q')).split('\n').filter((name) => name !== '')
    if (names.length > 0) await ctr('images', 'rm', '--sync', ...names)
  }

  async function readManifest(digest: string): Promise<Manifest> {
    return JSON.parse(await ctr('content', 'get', digest))
  }

  async function findConfig(reference: string): Promise<string> {
    const row = (await ctr('images', 'ls', `name==${reference}`)).split('\n')[1] ?? ''
    let manifest = await readManifest(/sha256:[0-9a-f]{64}/.exec(row)?.[0] ?? '')
    const child = manifest.manifests?.find((one) => one.platform?.architecture === ownPlatform.architecture)
    if (child !== undefined) manifest = await readManifest(child.digest)
    return manifest.config?.digest ?? ''
  }

  return {
    name: 'ctr',
    agent: /^containerd\//,
    async push(images, target, login) {
      const layout = at('layout')
      rmSync(layout, { recursive: true, force: true })
      mkdirSync(layout)
      const digest = writeOciLayout(layout, images)
      await mustRun('tar', ['-cf', at('layout.tar'), '-C', layout, '.'])
      await ctr(
        'images',
        'import',
        '--all-platforms',
        '--no-unpack',
        '--digests',
        '--base-name',
        'import',
        at('layout.tar'),
      )
      await ctr(
        'images',
        'push',
        ...scheme(target),
        '-u',
        `${login.user}:${login.password}`,
        target,
        `import@${digest}`,
      )
    },
    async pull(reference) {
      await forgetAll()
      const args = ctrArgs(['images', 'pull', ...scheme(reference), '--snapshotter', 'native', reference])
      await mustRun(getTool('ctr'), args, { env, ...pullLimit(options) })
      return findConfig(reference)
    },
    [Symbol.asyncDispose]: () => daemon[Symbol.asyncDispose](),
  }
}
