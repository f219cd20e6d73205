// A host as anybody may see it: what it holds, and whether and why it is used.

import type { LastCrawl } from '#catalogue/overview.ts'
import type { HostHealth } from '#snapshots/health.ts'
import type { PlacedHost } from '#snapshots/placement.ts'

/** used: clients are sent there; off: it takes no part, the reason says why; the others as in the health snapshot. */
export const hostStates = ['used', 'off', 'unprobed', 'dead', 'open', 'draining'] as const
export type HostState = (typeof hostStates)[number]

export type HostStanding = { readonly state: HostState; readonly reason?: string }

/** The same order as the front door's own judgement, which then asks about the client and the blob as well. */
export function standingOf(host: PlacedHost, health: HostHealth | undefined): HostStanding {
  if (host.excluded !== undefined) return { state: 'off', reason: host.excluded }
  if (!health) return { state: 'unprobed', reason: 'no probe has reached it yet' }
  if (!health.isAlive) return { state: 'dead', reason: health.reason ?? 'the last probes failed' }
  if (health.circuit === 'open') return { state: 'open', reason: health.reason ?? 'a probe failed' }
  if (health.circuit === 'draining')
    return { state: 'draining', reason: 'clients failed there; it comes back after whole reads have passed' }
  return { state: 'used' }
}

export function describeHost(host: PlacedHost, health: HostHealth | undefined, crawl: LastCrawl | undefined) {
  return {
    name: host.name,
    site: host.site,
    grade: host.grade,
    ...(host.country === undefined ? {} : { country: host.country }),
    allowedCountries: [...host.allowedCountries],
    urls: [...host.urls],
    bandwidthMbps: host.bandwidthMbps,
    generation: host.generation,
    missing: host.missing.length,
    extra: host.extra.length,
    ...standingOf(host, health),
    ...(health && describeHealth(health)),
    ...(crawl && { lastCrawl: { at: new Date(crawl.finishedAtMs).toISOString(), outcome: crawl.outcome } }),
  }
}

function describeHealth({ circuit, isAlive, checkedAtMs, roundTripMs }: HostHealth) {
  return {
    circuit,
    isAlive,
    ...(checkedAtMs > 0 ? { checkedAt: new Date(checkedAtMs).toISOString() } : {}),
    ...(roundTripMs > 0 ? { roundTripMs: Math.round(roundTripMs * 10) / 10 } : {}),
  }
}
