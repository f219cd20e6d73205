// Rows and proofs -> the placement snapshot. Every host is in it; those that take no part say why.

import type { PlacedHost, PlacementDocument } from '#snapshots/placement.ts'
import type { HostLiveness } from './check-liveness.ts'
import { type CrawlRecord, type HostRecord, noPresence, type Presence, urlsOf } from './host-records.ts'
import { ownNameOfUrl } from './own-names.ts'

export type PlacementFacts = {
  readonly hosts: readonly HostRecord[]
  /** By host id. */
  readonly presence: ReadonlyMap<number, Presence>
  readonly lastCrawls: ReadonlyMap<number, CrawlRecord>
  readonly liveness: ReadonlyMap<number, HostLiveness>
  /** Where we answer ourselves; the registry may have got another name since a host was registered. */
  readonly ownNames?: readonly string[]
}

/** What did not change is told again after this long, so that readers can tell a calm fleet from a dead maker. */
const freshMs = 30 * 60_000

/** The previous document itself while nothing changed, so that its version says whether anything did. */
export function buildPlacement(
  channel: string,
  facts: PlacementFacts,
  previous: PlacementDocument | undefined,
  nowMs: number,
): PlacementDocument {
  const hosts = facts.hosts.map((host) => placeHost(channel, host, facts)).sort((a, b) => a.id - b.id)
  const isSame = previous?.channel === channel && JSON.stringify(previous.hosts) === JSON.stringify(hosts)
  if (previous && isSame && nowMs - previous.builtAtMs < freshMs) return previous
  return { format: 1, version: (previous?.version ?? 0) + 1, builtAtMs: nowMs, channel, hosts }
}

function placeHost(channel: string, host: HostRecord, facts: PlacementFacts): PlacedHost {
  const presence = facts.presence.get(host.id) ?? noPresence
  const declared = urlsOf(host, channel).filter((url) => ownNameOfUrl(url, facts.ownNames ?? []) === undefined)
  return {
    id: host.id,
    name: host.name,
    site: host.site.name,
    grade: host.grade,
    country: host.country,
    position: positionOf(host),
    bandwidthMbps: host.bandwidthMbps,
    isPrivate: host.isPrivate || host.site.isPrivate,
    netblocks: host.netblocks,
    allowedCountries: host.allowedCountries,
    asn: host.isAsnClients ? host.asn : undefined,
    peerAsns: host.peerAsns,
    urls: usableUrls(declared, facts.liveness.get(host.id)),
    excluded: exclusionOf(channel, host, presence, facts),
    ...presence,
    ticket: host.ticket,
  }
}

function positionOf({ latitude, longitude }: HostRecord): PlacedHost['position'] {
  return latitude === undefined || longitude === undefined ? undefined : { latitude, longitude }
}

/** Without the addresses that are dead while another one is alive; health tells of a host that is dead whole. */
function usableUrls(urls: readonly string[], liveness: HostLiveness | undefined): readonly string[] {
  const dead = new Set(liveness?.urls.filter(({ isAlive }) => !isAlive).map(({ url }) => url))
  const alive = urls.filter((url) => !dead.has(url))
  return alive.length > 0 ? alive : urls
}

function exclusionOf(
  channel: string,
  host: HostRecord,
  presence: Presence,
  { lastCrawls, ownNames = [] }: Pick<PlacementFacts, 'lastCrawls' | 'ownNames'>,
): string | undefined {
  const last = lastCrawls.get(host.id)
  const because = host.disableReason === undefined ? '' : `: ${host.disableReason}`
  if (!host.isAdminActive) return `switched off by the operator${because}`
  if (!host.isUserActive) return `switched off by its own admin${because}`
  const urls = urlsOf(host, channel)
  if (urls.length === 0) return `it does not carry ${channel}`
  const own = urls.map((url) => ownNameOfUrl(url, ownNames))
  if (own.every((name) => name !== undefined))
    return `${urls[0]} lies under ${own[0]}, so clients would hand it the registry's credentials: it needs another name`
  // Wrong bytes and a manner that breaks clients count against all that it holds, until a crawl finds neither.
  if (last?.outcome === 'lying') return `it sent wrong bytes: ${last.reason}`
  if (last?.outcome === 'unsuitable') return `its answers would break clients: ${last.reason}`
  if (presence.generation === 0 && presence.extra.length === 0) {
    return last ? `nothing is proven there yet: ${last.reason}` : 'no crawl has finished there yet'
  }
  return undefined
}
