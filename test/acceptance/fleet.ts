// Flotilla and three volunteers around it, as strangers would run them: nginx and Apache httpd fed by `flotilla replicate`, another
// nginx fed by plain rsync. Nothing here knows the source; everything goes through commands and HTTP.

import { chmodSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { LoggedRequest } from '../kit/access-log.ts'
import { type Authority, makeAuthority } from '../kit/certificate-authority.ts'
import type { Login } from '../kit/clients/image-client.ts'
import { type Flotilla, flotillaProgram, listeners, startFlotilla } from '../kit/flotilla.ts'
import { mustRun } from '../kit/process.ts'
import { trusting } from '../kit/registry-token.ts'
import { startRsyncDaemon } from '../kit/rsync-daemon.ts'
import { waitUntil } from '../kit/wait-until.ts'
import { startApache, startNginx, type WebHost } from '../kit/web-hosts.ts'

export type Scheme = 'http' | 'https'

export type Blob = { readonly digest: string; readonly sizeBytes: number }

/** What the front door says that a tag is, down to the image of one platform. */
export type PublishedImage = {
  readonly manifests: readonly string[]
  readonly config: Blob
  readonly layers: readonly Blob[]
}

export type Fleet = AsyncDisposable & {
  readonly flotilla: Flotilla
  readonly login: Login
  readonly trust: string | undefined
  /** Publishes what waits, lets every host copy it, and waits until all are proven to hold it. */
  publishToHosts(): Promise<void>
  readImage(repository: string, reference: string, architecture: string): Promise<PublishedImage>
  /** Everything all hosts were asked since their start. */
  requests(): LoggedRequest[]
  requestsOf(host: HostName): LoggedRequest[]
}

export const hostNames = ['nginx', 'apache', 'rsync-fed'] as const
export type HostName = (typeof hostNames)[number]

const manifestTypes = [
  'application/vnd.oci.image.index.v1+json',
  'application/vnd.oci.image.manifest.v1+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
  'application/vnd.docker.distribution.manifest.v2+json',
]

function tlsSettings(authority: Authority | undefined): Record<string, string> {
  if (authority === undefined) return {}
  return { FLOTILLA_TLS_CERT: authority.cert, FLOTILLA_TLS_KEY: authority.key, FLOTILLA_HOST_CA: authority.bundle }
}

type Descriptor = {
  readonly digest: string
  readonly size: number
  readonly platform?: { readonly architecture: string }
}
type HostState = {
  readonly name: string
  readonly presence?: { readonly generation: number; readonly missing: number }
}
type Manifest = {
  readonly config: Descriptor
  readonly layers: readonly Descriptor[]
  readonly manifests?: readonly Descriptor[]
}

export async function startFleet(folder: string, scheme: Scheme): Promise<Fleet> {
  await using stack = new AsyncDisposableStack()
  mkdirSync(folder, { recursive: true })
  chmodSync(folder, 0o711)
  const authority = scheme === 'https' ? await makeAuthority(join(folder, 'authority')) : undefined
  const trust = authority?.bundle
  const flotilla = stack.use(
    await startFlotilla({
      folder,
      env: { ...tlsSettings(authority), FLOTILLA_ALLOW_PRIVATE_HOSTS: 'true' },
      ...(trust !== undefined && { https: { trust, listeners } }),
    }),
  )
  const place = (name: HostName, address: string) => ({ folder: join(folder, name), address, authority })
  const hosts: Record<HostName, WebHost> = {
    nginx: stack.use(await startNginx(place('nginx', '127.0.0.2'))),
    apache: stack.use(await startApache(place('apache', '127.0.0.3'))),
    'rsync-fed': stack.use(await startNginx(place('rsync-fed', '127.0.0.4'))),
  }
  const rsyncd = stack.use(await startRsyncDaemon(folder, await flotilla.run('rsyncd-config')))
  await flotilla.run('site', 'add', 'university')
  for (const name of hostNames) {
    await flotilla.run('host', 'add', name, '--site', 'university', '--url', hosts[name].url, '--grade', 'gold')
  }
  const grant = 'repository:release/**:pull,push'
  const { secret } = await flotilla.runJson<{ secret: string }>(
    'token',
    'create',
    'builder-of-releases',
    '--grant',
    grant,
  )

  async function replicate(host: WebHost): Promise<void> {
    const trusted = trust === undefined ? [] : ['--ca', trust]
    const args = ['replicate', '--from', flotilla.url('origin'), '--to', host.tree, ...trusted]
    await mustRun(flotillaProgram, args, { cwd: join(host.tree, '..') })
  }

  async function readManifest(repository: string, reference: string): Promise<Manifest & { readonly digest: string }> {
    const url = `${flotilla.url('frontdoor')}/v2/${repository}/manifests/${reference}`
    const answer = await fetch(url, { headers: { accept: manifestTypes.join(', ') }, ...trusting(trust) })
    if (!answer.ok) throw new Error(`${url}: ${answer.status} ${await answer.text()}`)
    const digest = answer.headers.get('docker-content-digest') ?? ''
    return { ...((await answer.json()) as Manifest), digest }
  }

  const owned = stack.move()
  return {
    flotilla,
    login: { user: 'builder-of-releases', password: secret },
    trust,
    async publishToHosts() {
      const { generation } = await flotilla.runJson<{ generation: number }>('publish', '--now')
      await Promise.all([replicate(hosts.nginx), replicate(hosts.apache), rsyncd.copyTo(hosts['rsync-fed'].tree)])
      for (const name of hostNames) await flotilla.run('host', 'check', name)
      await waitUntil(
        async () => {
          const known = await flotilla.runJson<HostState[]>('host', 'list')
          const late = known.filter((host) => host.presence?.generation !== generation || host.presence.missing > 0)
          if (late.length > 0) throw new Error(JSON.stringify(late))
          return known.length === hostNames.length
        },
        { what: `every host is proven to hold generation ${generation}`, everyMs: 200 },
      )
    },
    async readImage(repository, reference, architecture) {
      const top = await readManifest(repository, reference)
      const child = top.manifests?.find((one) => one.platform?.architecture === architecture)
      const image = child === undefined ? top : await readManifest(repository, child.digest)
      const blob = ({ digest, size }: Descriptor): Blob => ({ digest, sizeBytes: size })
      const manifests = [...new Set([top.digest, image.digest, ...(top.manifests ?? []).map((one) => one.digest)])]
      return { manifests, config: blob(image.config), layers: image.layers.map(blob) }
    },
    requests: () => hostNames.flatMap((name) => hosts[name].requests()),
    requestsOf: (name) => hosts[name].requests(),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}
