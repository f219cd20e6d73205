// Flotilla, one good host for all the world, and for every cell of the matrix a host of its own that serves only the network of the
// client of that cell: each client meets its host first, and no cell hears of another's.

import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Authority, makeAuthority } from '../../kit/certificate-authority.ts'
import { type Flotilla, flotillaProgram, startFlotilla } from '../../kit/flotilla.ts'
import { adminToken, askApi } from '../../kit/flotilla-client.ts'
import { type Image, makeImage, makeLayer } from '../../kit/images.ts'
import type { Environment } from '../../kit/process.ts'
import { mustRun } from '../../kit/process.ts'
import { pushImage } from '../../kit/push-image.ts'
import { waitUntil } from '../../kit/wait-until.ts'
import { type FaultName, faults } from './faults.ts'
import { FaultyHost } from './faulty-host.ts'

export const repository = 'matrix/image'
export const largeBytes = 64 * 1024

/** default: the measured table. empty: every client is a normal one. stream: everything comes through the front door. */
export type ClientPolicy = 'default' | 'empty' | 'stream'

const policies = { empty: [], stream: [{ product: '*', kind: 'normal', mode: 'stream' }] }

export type MatrixHost = {
  readonly name: string
  readonly fault: FaultName
  /** A client here meets this host first. */
  readonly clientAddress: string
  readonly host: FaultyHost
}

export type CellPlace = { readonly fault: FaultName; readonly column: number }

export type MatrixFleet = AsyncDisposable & {
  readonly flotilla: Flotilla
  readonly image: Image
  readonly good: FaultyHost
  readonly authority: Authority
  listHosts(): Promise<ReadonlyMap<string, HostState>>
  /** One that nobody is told of. */
  startHost(about: { readonly address: string; readonly isTls: boolean }): Promise<FaultyHost>
  /** Registers hosts, one for each place, and waits until clients would be sent there. `width`: how wide a network each serves. */
  addHosts(table: number, places: readonly CellPlace[], width?: 16 | 24): Promise<readonly MatrixHost[]>
  /** Waits until the mirror role holds all of them for unfit. Resolves to those that it still trusts when that takes too long. */
  waitUntilOut(hosts: readonly MatrixHost[]): Promise<readonly MatrixHost[]>
}

export type HostState = {
  readonly name: string
  readonly state?: {
    readonly liveness?: { readonly urls: readonly { readonly isAlive: boolean }[] }
    readonly circuit?: string
    readonly reason?: string
  }
}

export function isTrusted(host: HostState | undefined): boolean {
  const isAlive = host?.state?.liveness?.urls.some((url) => url.isAlive) ?? false
  return isAlive && (host?.state?.circuit ?? 'closed') === 'closed'
}

function settings(folder: string, policy: ClientPolicy, authority: Authority, more: Environment): Environment {
  const table = join(folder, 'client-policy.json')
  if (policy !== 'default') writeFileSync(table, JSON.stringify(policies[policy]))
  return {
    FLOTILLA_ADMIN_TOKEN: adminToken,
    FLOTILLA_ALLOW_PRIVATE_HOSTS: 'true',
    FLOTILLA_TRUSTED_PROXIES: '127.0.0.1/32',
    FLOTILLA_HOST_CA: authority.bundle,
    FLOTILLA_DEMO: 'false',
    ...(policy !== 'default' && { FLOTILLA_CLIENT_POLICY: table }),
    ...more,
  }
}

export async function startMatrixFleet(
  folder: string,
  policy: ClientPolicy,
  more: Environment = {},
): Promise<MatrixFleet> {
  await using stack = new AsyncDisposableStack()
  mkdirSync(folder, { recursive: true })
  const authority = await makeAuthority(join(folder, 'authority'))
  const stranger = await makeAuthority(join(folder, 'stranger'))
  const tls = { good: authority, bad: stranger }
  const flotilla = stack.use(await startFlotilla({ folder, env: settings(folder, policy, authority, more) }))
  // What a small image is to its user: a base, what was added, and a crumb that never travels.
  const image = makeImage([makeLayer(300 * 1024), makeLayer(2 * 1024 * 1024), makeLayer(2000)])
  await pushImage(
    { registry: flotilla.url('registry'), user: 'admin', secret: adminToken },
    repository,
    'latest',
    image,
  )
  await flotilla.run('promote', `${repository}:latest`, '--to', 'stable')
  await flotilla.run('publish', '--now')
  const tree = join(folder, 'tree')
  await mustRun(flotillaProgram, ['replicate', '--from', flotilla.url('origin'), '--to', tree], { cwd: folder })
  const good = stack.use(await FaultyHost.start({ address: '127.0.0.9', tree }))
  const register = (name: string, url: string, about: object) =>
    askApi(flotilla, 'POST', '/api/v1/hosts', { name, urls: [url], bandwidthMbps: 1000, ...about })

  let listing: Promise<Map<string, HostState>> | undefined
  /** One request for all who wait. */
  const listHosts = () => {
    listing ??= askApi<{ hosts: HostState[] }>(flotilla, 'GET', '/api/v1/hosts')
      .then(({ hosts }) => new Map(hosts.map((host) => [host.name, host])))
      .finally(() => {
        listing = undefined
      })
    return listing
  }
  await register('good', good.url, { grade: 'gold' })
  const owned = stack.move()
  return {
    flotilla,
    image,
    good,
    authority,
    listHosts,
    startHost: async ({ address, isTls }) =>
      owned.use(await FaultyHost.start({ address, tree, ...(isTls && { tls }) })),
    async addHosts(table, places, width = 24) {
      const added = await Promise.all(
        places.map(async ({ fault, column }) => {
          const row = faults.findIndex(({ name }) => name === fault)
          const name = `t${table}-f${row}-c${column}`
          const isTls = fault === 'bad certificate'
          const address = isTls ? `127.0.0.${2 + (column % 4)}` : `127.0.${1 + table}.${10 + row}`
          const host = owned.use(await FaultyHost.start({ address, tree, ...(isTls && { tls }) }))
          // The second byte tells table and row, the third the column.
          const network = width === 16 ? `10.${table * 40 + row}.0.0` : `10.${table * 40 + row}.${column}.0`
          await register(name, host.url, { grade: 'proven', isPrivate: true, netblocks: [`${network}/${width}`] })
          return { name, fault, clientAddress: network.replace(/0$/, '7'), host }
        }),
      )
      await waitUntil(
        async () => {
          const states = await listHosts()
          const late = ['good', ...added.map(({ name }) => name)].filter((name) => !isTrusted(states.get(name)))
          if (late.length > 0) throw new Error(`not trusted yet: ${JSON.stringify(late.map((one) => states.get(one)))}`)
          return true
        },
        { what: 'every host of the matrix is proven', limitMs: 300_000, everyMs: 500 },
      )
      return added
    },
    async waitUntilOut(hosts) {
      let still: readonly MatrixHost[] = hosts
      const out = waitUntil(
        async () => {
          const states = await listHosts()
          still = hosts.filter(({ name }) => isTrusted(states.get(name)))
          return still.length === 0
        },
        { what: 'the mirror role knows every fault', limitMs: 60_000, everyMs: 500 },
      )
      await out.catch(() => undefined)
      return still
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}
