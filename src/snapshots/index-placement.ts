// The placement document made ready for the hot path, once, when it arrives: every question of selection is one lookup.

import { formatCidr, parseAddress, parseCidr } from '#kit/address.ts'
import { AddressTrie } from '#kit/address-trie.ts'
import { Breather } from '#kit/breather.ts'
import type { HealthDocument, HostHealth } from './health.ts'
import { Nearness } from './nearness.ts'
import type { PlacedHost, PlacementDocument } from './placement.ts'

/** A host and the base address to send a client to. */
export type Candidate = { readonly host: PlacedHost; readonly url: string }

export type IndexedHost = {
  readonly host: PlacedHost
  readonly allowedCountries: ReadonlySet<string>
  /** Its first address of any scheme, and its first https one. */
  readonly any: Candidate | undefined
  readonly https: Candidate | undefined
  /** Bit 0: IPv4, bit 1: IPv6: where its addresses may lead, as far as their text tells (a name: both). */
  readonly families: number
}

/** The hosts that declared one netblock; private ones apart, because they come first. */
export type Netblock = {
  readonly text: string
  readonly exclusive: readonly IndexedHost[]
  readonly open: readonly IndexedHost[]
}

/** Ids of the hosts for which a digest departs from what their generation says. By digest, because nearly every digest departs
 *  nowhere: one lookup a request instead of one a host. */
export type Exceptions = { readonly missing: ReadonlySet<number>; readonly extra: ReadonlySet<number> }

export type PlacementIndex = {
  readonly version: number
  readonly builtAtMs: number
  readonly channel: string
  readonly hosts: readonly IndexedHost[]
  readonly byId: ReadonlyMap<number, IndexedHost>
  readonly exceptions: ReadonlyMap<string, Exceptions>
  readonly netblocks: AddressTrie<Netblock>
  readonly byAsn: ReadonlyMap<number, readonly IndexedHost[]>
  readonly byPeerAsn: ReadonlyMap<number, readonly IndexedHost[]>
  /** Every host that strangers may meet, by how near it is to a country. */
  readonly nearness: Nearness<IndexedHost>
  /** The same hosts. */
  readonly world: readonly IndexedHost[]
}

export type HealthIndex = {
  readonly version: number
  readonly builtAtMs: number
  readonly byId: ReadonlyMap<number, HostHealth>
  /** By host id, only those in doubt: nearly always nobody. */
  readonly doubts: ReadonlyMap<number, number>
}

function familiesOf(urls: readonly string[]): number {
  let families = 0
  for (const url of urls) {
    const name = new URL(url).hostname
    const literal = parseAddress(name.startsWith('[') ? name.slice(1, -1) : name)
    families |= literal ? (literal.family === 4 ? 1 : 2) : 3
  }
  return families
}

function indexHost(host: PlacedHost): IndexedHost {
  const https = host.urls.find((url) => url.startsWith('https:'))
  return {
    host,
    allowedCountries: new Set(host.allowedCountries),
    any: host.urls[0] === undefined ? undefined : { host, url: host.urls[0] },
    https: https === undefined ? undefined : { host, url: https },
    families: familiesOf(host.urls),
  }
}

function addTo<K>(map: Map<K, IndexedHost[]>, key: K, host: IndexedHost): void {
  const list = map.get(key)
  if (list) list.push(host)
  else map.set(key, [host])
}

const nobody: ReadonlySet<number> = new Set()

function* indexExceptions(hosts: readonly PlacedHost[]): Generator<undefined, Map<string, Exceptions>> {
  const exceptions = new Map<string, { missing: Set<number>; extra: Set<number> }>()
  const add = (digest: string, kind: 'missing' | 'extra', id: number) => {
    let there = exceptions.get(digest)
    if (!there) exceptions.set(digest, (there = { missing: nobody as Set<number>, extra: nobody as Set<number> }))
    if (there[kind] === nobody) there[kind] = new Set()
    there[kind].add(id)
  }
  for (const host of hosts) {
    for (const digest of host.missing) add(digest, 'missing', host.id)
    for (const digest of host.extra) add(digest, 'extra', host.id)
    yield
  }
  return exceptions
}

/** Throws on a document that cannot be used whole, so that its holder keeps the one before. */
export function indexPlacement(document: PlacementDocument): PlacementIndex {
  const steps = indexByHost(document)
  for (;;) {
    const step = steps.next()
    if (step.done) return step.value
  }
}

/** The same, beside requests that are served: none waits for all of it. */
export async function indexPlacementGently(document: PlacementDocument): Promise<PlacementIndex> {
  const breather = new Breather()
  const steps = indexByHost(document)
  for (;;) {
    const step = steps.next()
    if (step.done) return step.value
    if (breather.isDue) await breather.pause()
  }
}

/** Yields where it may be interrupted. */
function* indexByHost(document: PlacementDocument): Generator<undefined, PlacementIndex> {
  if (document.format !== 1) throw new Error(`placement: format ${document.format} is not understood`)
  const hosts: IndexedHost[] = []
  for (const host of document.hosts) {
    hosts.push(indexHost(host))
    yield
  }
  const byId = new Map<number, IndexedHost>()
  const byAsn = new Map<number, IndexedHost[]>()
  const byPeerAsn = new Map<number, IndexedHost[]>()
  const byNetblock = new Map<string, IndexedHost[]>()
  for (const indexed of hosts) {
    const { host } = indexed
    if (byId.has(host.id)) throw new Error(`placement: host ${host.id} is there twice`)
    byId.set(host.id, indexed)
    yield
    for (const text of new Set(host.netblocks.map(canonicalNetblock))) addTo(byNetblock, text, indexed)
    if (host.isPrivate) continue
    if (host.asn !== undefined) addTo(byAsn, host.asn, indexed)
    for (const asn of new Set(host.peerAsns)) if (asn !== host.asn) addTo(byPeerAsn, asn, indexed)
  }
  const netblocks = [...byNetblock].map(([text, there]) => {
    const exclusive = there.filter(({ host }) => host.isPrivate)
    const open = there.filter(({ host }) => !host.isPrivate)
    return [parseCidr(text)!, { text, exclusive, open }] as const
  })
  const world = hosts.filter(({ host }) => !host.isPrivate)
  return {
    version: document.version,
    builtAtMs: document.builtAtMs,
    channel: document.channel,
    hosts,
    byId,
    exceptions: yield* indexExceptions(document.hosts),
    netblocks: new AddressTrie(netblocks),
    byAsn,
    byPeerAsn,
    nearness: new Nearness(world),
    world,
  }
}

function canonicalNetblock(text: string): string {
  const cidr = parseCidr(text)
  if (!cidr) throw new Error(`placement: ${text} is no netblock`)
  return formatCidr(cidr)
}

export function indexHealth(document: HealthDocument): HealthIndex {
  if (document.format !== 1) throw new Error(`health: format ${document.format} is not understood`)
  return {
    version: document.version,
    builtAtMs: document.builtAtMs,
    byId: new Map(document.hosts.map((host) => [host.id, host])),
    doubts: new Map(
      document.hosts.flatMap(({ id, doubtSinceMs }) => (typeof doubtSinceMs === 'number' ? [[id, doubtSinceMs]] : [])),
    ),
  }
}
