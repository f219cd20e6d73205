// The configuration as the roles take it: places resolved, addresses made, rules between options checked.

import { accessSync, constants } from 'node:fs'
import { join, resolve } from 'node:path'
import { ConfigError, type Settings } from './load-config.ts'
import type { Listen } from './option-kinds.ts'
import { namesOf } from './options.ts'

export type TlsFiles = { readonly cert: string; readonly key: string }
export type ListenerName = 'registry' | 'frontdoor' | 'api' | 'origin' | 'mirror'

export type Config = {
  readonly settings: Settings
  readonly data: string
  readonly keys: string
  readonly cataloguePath:
    | { readonly kind: 'sqlite'; readonly path: string }
    | { readonly kind: 'postgres'; readonly url: string }
  readonly blobs: string
  readonly tree: string
  readonly tls: TlsFiles | undefined
  readonly listen: Readonly<Record<ListenerName, Listen>>
  /** Given explicitly; the others follow from the port that a listener really got. */
  readonly urls: Readonly<Record<ListenerName, string | undefined>>
  readonly candidateChannel: string
  readonly publicChannel: string
}

/** Times that something is repeated after, or that something is good for. */
const neverZero = [
  'tokenLifetime',
  'stall',
  'crawlInterval',
  'livenessInterval',
  'uploadAge',
  'originHold',
  'signerTimeout',
  'frontdoorHeaderTimeout',
  'frontdoorIdleTimeout',
  'frontdoorSendStall',
] as const

/** Where the mirror role listens when nobody says where. */
const mirrorListenDefault: Listen = { host: '127.0.0.1', port: 5004 }

const loopback = /^(127\.\d+\.\d+\.\d+|::1|localhost)$/

export function isLoopbackHost(host: string): boolean {
  return loopback.test(host)
}

export function makeConfig(settings: Settings): Config {
  const data = resolve(settings.data)
  const { tlsCert, tlsKey } = settings
  if ((tlsCert === undefined) !== (tlsKey === undefined))
    throw new ConfigError('tls-cert and tls-key go together: set both or none')
  const listen = {
    registry: settings.registryListen,
    frontdoor: settings.frontdoorListen,
    api: settings.apiListen,
    origin: settings.originListen,
    mirror: settings.mirrorListen ?? mirrorListenDefault,
  }
  const urls = {
    registry: settings.registryUrl,
    frontdoor: settings.frontdoorUrl,
    api: settings.apiUrl,
    origin: settings.originUrl,
    mirror: settings.mirrorUrl,
  }
  // The mirror's is for our own front doors, which are told its address and show their key.
  for (const name of Object.keys(listen) as ListenerName[])
    if (name !== 'mirror') checkPublicUrl(name, listen[name], urls[name])
  const candidateChannel = settings.channels[0]
  const publicChannel = settings.publicChannels.at(-1)
  if (!candidateChannel) throw new ConfigError('channels: at least one is needed, pushes land in the first')
  if (!publicChannel) throw new ConfigError('public-channels: at least one is needed, the front door serves the last')
  for (const option of ['publicChannels', 'foreignLayerChannels'] as const) {
    for (const name of settings[option]) {
      if (!settings.channels.includes(name))
        throw new ConfigError(
          `${namesOf(option).key}: ${JSON.stringify(name)} is no channel; channels lists ${settings.channels.join(', ')}`,
        )
    }
  }
  for (const option of neverZero) {
    if (settings[option] === 0) throw new ConfigError(`${namesOf(option).key}: must be more than 0`)
  }
  checkProxyProtocol(settings)
  if (settings.publicChannels.includes(candidateChannel)) {
    throw new ConfigError(
      `public-channels: ${candidateChannel} is where pushes land and cannot be public: promote to another channel`,
    )
  }
  for (const option of ['blobs', 'tree'] as const) {
    if (/^[a-z0-9]+:\/\//i.test(settings[option] ?? ''))
      throw new ConfigError(
        `${namesOf(option).key}: ${settings[option]} is an address; it takes a folder of this machine`,
      )
  }
  return {
    settings,
    data,
    keys: join(data, 'keys'),
    cataloguePath: parseCatalogue(settings.catalogue ?? `sqlite:${join(data, 'catalogue.sqlite')}`),
    blobs: resolve(settings.blobs ?? join(data, 'store')),
    tree: resolve(settings.tree ?? join(data, 'tree')),
    tls: tlsCert && tlsKey ? { cert: resolve(tlsCert), key: resolve(tlsKey) } : undefined,
    listen,
    urls,
    candidateChannel,
    publicChannel,
  }
}

/** Of a server: the files that it will need, so that none is found missing when some roles run already. */
export function checkFiles(settings: Settings): void {
  for (const option of [
    'tlsCert',
    'tlsKey',
    'hostCa',
    'countries',
    'asns',
    'clientPolicy',
    'frontdoorKey',
    'ticketKey',
  ] as const) {
    const path = settings[option]
    if (path === undefined || (option === 'countries' && path === 'none')) continue
    try {
      accessSync(path, constants.R_OK)
    } catch (error) {
      throw new ConfigError(`${namesOf(option).key}: ${path} cannot be read`, { cause: error })
    }
  }
}

function checkProxyProtocol({ frontdoorProxyProtocol: mode, tlsCert, trustedProxies }: Settings): void {
  if (mode === 'off') return
  if (trustedProxies.length === 0)
    throw new ConfigError(
      `frontdoor-proxy-protocol is ${mode}, but trusted-proxies names nobody whose PROXY header could be believed: set it to the networks of your proxies`,
    )
  if (tlsCert !== undefined)
    throw new ConfigError(
      `frontdoor-proxy-protocol is ${mode} and tls-cert is set: the PROXY header comes before the TLS handshake, where this program cannot read it. ` +
        'Let the proxy end TLS and leave tls-cert out, or let it hand TLS on without a PROXY header and see the proxy as every client',
    )
}

function checkPublicUrl(name: ListenerName, listen: Listen, url: string | undefined): void {
  if (isLoopbackHost(listen.host)) return
  if (url !== undefined && !isLoopbackHost(new URL(url).hostname.replace(/^\[|\]$/g, ''))) return
  throw new ConfigError(
    `${name}-listen is ${listen.host}, which others reach, so ${name}-url must say under which address they do (and not a loopback one)`,
  )
}

function parseCatalogue(text: string): Config['cataloguePath'] {
  if (text.startsWith('sqlite:')) return { kind: 'sqlite', path: resolve(text.slice('sqlite:'.length)) }
  return { kind: 'postgres', url: text }
}
