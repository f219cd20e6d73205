// podman, buildah and skopeo share one library: one storage, one registries.conf, one policy for each, in a folder of its own.

import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Image, makeDockerArchive, writeOciLayout } from '../images.ts'
import { mustRun, type RunOptions } from '../process.ts'
import { getTool } from '../tool.ts'
import { type ClientOptions, hostOf, type ImageClient, type Login, pullLimit } from './image-client.ts'

type Tool = (args: readonly string[], options?: Pick<RunOptions, 'input' | 'limitMs'>) => Promise<string>

function prepare(tool: string, { folder, plainHttp, trust }: ClientOptions): Tool {
  const at = (name: string) => join(folder, name)
  const config = at('.config/containers')
  mkdirSync(config, { recursive: true })
  mkdirSync(at('tmp'), { recursive: true })
  writeFileSync(join(config, 'policy.json'), JSON.stringify({ default: [{ type: 'insecureAcceptAnything' }] }))
  const registries = plainHttp.map((host) => `[[registry]]\nlocation = "${host}"\ninsecure = true\n`)
  writeFileSync(join(config, 'registries.conf'), `unqualified-search-registries = []\n${registries.join('')}`)
  writeFileSync(
    at('storage.conf'),
    `[storage]\ndriver = "vfs"\ngraphroot = "${at('graph')}"\nrunroot = "${at('run')}"\n`,
  )
  writeFileSync(
    at('containers.conf'),
    `[engine]\ntmp_dir = "${at('libpod')}"\nevents_logger = "file"\ncgroup_manager = "cgroupfs"\n`,
  )
  writeFileSync(at('auth.json'), '{}')
  const env = {
    HOME: folder,
    XDG_CONFIG_HOME: at('.config'),
    XDG_RUNTIME_DIR: at('run'),
    TMPDIR: at('tmp'),
    CONTAINERS_STORAGE_CONF: at('storage.conf'),
    CONTAINERS_REGISTRIES_CONF: join(config, 'registries.conf'),
    CONTAINERS_CONF: at('containers.conf'),
    REGISTRY_AUTH_FILE: at('auth.json'),
    ...(trust !== undefined && { SSL_CERT_FILE: trust }),
  }
  return (args, more) => mustRun(getTool(tool), args, { env, ...more })
}

/** For the commands that do not read registries.conf: `login` and `manifest push`. */
function verifyTls(target: string, plainHttp: readonly string[]): string {
  return `--tls-verify=${!plainHttp.includes(hostOf(target))}`
}

async function login(
  run: Tool,
  target: string,
  { user, password }: Login,
  plainHttp: readonly string[],
): Promise<void> {
  await run(['login', verifyTls(target, plainHttp), '-u', user, '--password-stdin', hostOf(target)], {
    input: password,
  })
}

function writeArchives(folder: string, images: readonly Image[]): string[] {
  return images.map((image, at) => {
    const archive = join(folder, `image-${at}.tar`)
    writeFileSync(archive, makeDockerArchive(image, `localhost/image:${at}`))
    return `docker-archive:${archive}`
  })
}

/** podman and buildah have the same commands for what is asked here. */
function makeStoringClient(name: 'podman' | 'buildah', agent: RegExp, options: ClientOptions): ImageClient {
  const run = prepare(name, options)

  async function pushImage(source: string, target: string): Promise<void> {
    const id = (await run(['pull', '-q', source])).trim()
    await run(['push', id, `docker://${target}`])
  }

  async function pushIndex(sources: readonly string[], target: string): Promise<void> {
    await run(['manifest', 'create', 'list'])
    for (const source of sources) await run(['manifest', 'add', 'list', source])
    await run(['manifest', 'push', '--all', verifyTls(target, options.plainHttp), 'list', `docker://${target}`])
    await run(['rmi', 'list'])
  }

  return {
    name,
    agent,
    async push(images, target, credentials) {
      await login(run, target, credentials, options.plainHttp)
      const sources = writeArchives(options.folder, images)
      await (sources.length === 1 ? pushImage(sources[0]!, target) : pushIndex(sources, target))
    },
    async pull(reference) {
      await run(['rmi', '-a', '-f'])
      await run(['pull', '-q', `docker://${reference}`], pullLimit(options))
      return (await run(['images', '-q', '--no-trunc'])).trim()
    },
    [Symbol.asyncDispose]: async () => undefined,
  }
}

export function makePodman(options: ClientOptions): ImageClient {
  return makeStoringClient('podman', /^containers\//, options)
}

export function makeBuildah(options: ClientOptions): ImageClient {
  return makeStoringClient('buildah', /^Buildah\//, options)
}

export function makeSkopeo(options: ClientOptions): ImageClient {
  const run = prepare('skopeo', options)
  const pulled = join(options.folder, 'pulled')
  const layout = join(options.folder, 'layout')
  return {
    name: 'skopeo',
    agent: /^skopeo\//,
    async push(images, target, credentials) {
      await login(run, target, credentials, options.plainHttp)
      rmSync(layout, { recursive: true, force: true })
      mkdirSync(layout)
      writeOciLayout(layout, images)
      await run(['copy', '-q', '--all', `oci:${layout}:image`, `docker://${target}`])
    },
    async pull(reference) {
      rmSync(pulled, { recursive: true, force: true })
      await run(['copy', '-q', `docker://${reference}`, `dir:${pulled}`], pullLimit(options))
      const manifest = JSON.parse(readFileSync(join(pulled, 'manifest.json'), 'utf8'))
      return String(manifest.config.digest)
    },
    [Symbol.asyncDispose]: async () => undefined,
  }
}
