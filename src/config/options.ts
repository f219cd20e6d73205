// Every option of the program: one row each. Flags, FLOTILLA_* variables, flotilla.toml, --help and docs/options.md are made from it.

import { copyOptions } from './copy-options.ts'
import { frontdoorListenerOptions } from './frontdoor-listener-options.ts'
import { frontdoorOptions } from './frontdoor-options.ts'
import { listenerOptions } from './listener-options.ts'
import { mirrorLinkOptions } from './mirror-link-options.ts'
import { nearnessOptions } from './nearness-options.ts'
import type { KindName } from './option-kinds.ts'
import { originOptions } from './origin-options.ts'
import { probeOptions } from './probe-options.ts'
import { trustOptions } from './trust-options.ts'
import { watchOptions } from './watch-options.ts'

export type OptionRow = {
  readonly kind: KindName
  /** As it would be typed; undefined: unset unless somebody sets it. */
  readonly default?: string
  readonly help: string
  readonly group: string
  /** Kept out of printed configurations. */
  readonly isSecret?: true
  /** The environment wins over the flag: a script types the flag, and its user wants another value. */
  readonly environmentWins?: true
}

export const options = {
  data: { kind: 'path', default: './var', group: 'Places', help: 'folder of everything that this installation keeps' },
  catalogue: {
    kind: 'catalogue',
    group: 'Places',
    help: 'sqlite:<path>, or postgres://… for many processes; default: sqlite: in the data folder',
  },
  blobs: { kind: 'path', group: 'Places', help: 'root of the blob store; default: store in the data folder' },
  tree: {
    kind: 'path',
    group: 'Places',
    help: 'root of the published trees; on the file system of the blob store, so that files can be linked; default: tree in the data folder',
  },

  ...listenerOptions,

  adminToken: {
    kind: 'text',
    isSecret: true,
    group: 'Access',
    help: 'the admin token, best 20 characters or more; default: made at the first start in the data folder',
  },
  token: {
    kind: 'text',
    isSecret: true,
    group: 'Access',
    help: 'what commands show to the API; default: the admin token of the data folder',
  },
  tokenLifetime: { kind: 'duration', default: '5m', group: 'Access', help: 'how long a registry token is good for' },

  channels: {
    kind: 'channels',
    default: 'candidate,testing,stable',
    group: 'Content',
    help: 'channels in order; pushes land in the first',
  },
  publicChannels: {
    kind: 'channels',
    default: 'stable',
    group: 'Content',
    help: 'channels that are published; nothing of any other is ever in a published byte. The last one is what the front door serves',
  },
  foreignLayerChannels: {
    kind: 'channels',
    default: '',
    group: 'Content',
    help: 'channels into which images with layers that live elsewhere (urls) may be promoted',
  },
  smallBlobBytes: {
    kind: 'bytes',
    default: '64KiB',
    group: 'Content',
    help: 'blobs below this size stay with the front door, larger ones travel',
  },
  publishDelay: {
    kind: 'duration',
    default: '5m',
    group: 'Content',
    help: 'promotions of this long are published together',
  },
  listGrace: {
    kind: 'duration',
    default: '24h',
    group: 'Content',
    help: 'how long lists, packs and metadata stay in the tree that the newest generation does not name any more: somebody may be reading them',
  },
  popularityInterval: {
    kind: 'duration',
    default: '24h',
    group: 'Content',
    help: 'how often the list of what is pulled most is made anew',
  },
  ...trustOptions,
  maxManifestBytes: { kind: 'bytes', default: '4MiB', group: 'Content', help: 'largest manifest that is taken' },
  maxDescriptors: { kind: 'count', default: '10000', group: 'Content', help: 'most descriptors in one manifest' },
  maxPageSize: {
    kind: 'count',
    default: '1000',
    group: 'Content',
    help: 'most entries in one page of tags, repositories or referrers',
  },
  maxTagsPerPut: { kind: 'count', default: '100', group: 'Content', help: 'most tags that one manifest push may set' },
  uploadAge: {
    kind: 'duration',
    default: '7d',
    group: 'Content',
    help: 'an upload untouched for this long is dropped',
  },

  crawlInterval: {
    kind: 'duration',
    default: '10m',
    group: 'Hosts',
    help: 'how often a host that has everything is crawled without news; a new generation is looked for at once',
  },
  livenessInterval: {
    kind: 'duration',
    default: '10s',
    group: 'Hosts',
    help: 'how often each host must answer a probe',
  },
  crawlConnections: {
    kind: 'count',
    default: '4',
    group: 'Hosts',
    help: 'requests that one crawl has under way at one host',
  },
  maxCheckIns: {
    kind: 'count',
    default: '30',
    group: 'Hosts',
    help: 'new check-ins that are taken of one host within an hour, at most 200; one that says the same as the last does not count',
  },
  checkInAge: {
    kind: 'duration',
    default: '6h',
    group: 'Hosts',
    help: 'a check-in that no crawl could decide for this long is refused',
  },
  traceClockSkew: {
    kind: 'duration',
    default: '10m',
    group: 'Hosts',
    help: 'how far the clock of a host that signs its trace may be ahead',
  },
  allowPrivateHosts: {
    kind: 'flag',
    default: 'false',
    group: 'Hosts',
    help: 'lets host addresses be private or loopback ones: for tests and closed networks only',
  },
  allowHttpHosts: {
    kind: 'flag',
    default: 'false',
    group: 'Hosts',
    help: 'lets clients that came over https be sent to hosts that speak only http: the bytes are checked, but others can watch',
  },
  hostCa: {
    kind: 'path',
    group: 'Hosts',
    help: 'certificates (PEM) of private authorities that hosts may use, beside the public ones',
  },
  countries: {
    kind: 'path',
    group: 'Hosts',
    help: 'address-to-country database (MaxMind format); default: the one that comes with the program; none: without any',
  },
  ...nearnessOptions,
  ...copyOptions,
  ...probeOptions,
  ...frontdoorListenerOptions,
  ...originOptions,
  ...mirrorLinkOptions,
  ...watchOptions,
  ...frontdoorOptions,

  demo: {
    kind: 'flag',
    default: 'false',
    environmentWins: true,
    group: 'Running',
    help: 'publishes a sample image and runs two demonstration hosts',
  },
  log: { kind: 'level', default: 'info', group: 'Running', help: 'least severity that is logged' },
} as const satisfies Record<string, OptionRow>

export type OptionName = keyof typeof options

const kebab = (name: string) => name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)

/** `registryListen` is `--registry-listen`, `FLOTILLA_REGISTRY_LISTEN` and `registry-listen` in flotilla.toml. */
export function namesOf(name: string): { readonly flag: string; readonly variable: string; readonly key: string } {
  const key = kebab(name)
  return { flag: `--${key}`, variable: `FLOTILLA_${key.replaceAll('-', '_').toUpperCase()}`, key }
}
