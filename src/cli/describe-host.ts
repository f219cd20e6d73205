// A host in words for people: what it holds, whether it is used, and the evidence.

import { ago } from './print.ts'

export type Host = {
  readonly id: number
  readonly name: string
  readonly site: string
  readonly country?: string
  readonly latitude?: number
  readonly longitude?: number
  readonly bandwidthMbps: number
  readonly grade: string
  readonly isAdminActive: boolean
  readonly isUserActive: boolean
  readonly disableReason?: string
  readonly categories: readonly { readonly category: string; readonly urls: readonly string[] }[]
  readonly presence?: { readonly generation: number; readonly missing: number; readonly extra: number }
  readonly latestGeneration?: number
  readonly lastCheckIn?: {
    readonly generation: number
    readonly at: string
    readonly source: string
    readonly state: string
    readonly reason?: string
  }
  readonly state?: {
    readonly liveness?: {
      readonly urls: readonly {
        readonly url: string
        readonly isAlive: boolean
        readonly reason?: string
        readonly roundTripMs: number
      }[]
    }
    readonly circuit?: string
    readonly reason?: string
    readonly lastCrawl?: {
      readonly outcome: string
      readonly reason: string
      readonly finishedAtMs: number
      readonly held: number
      readonly lacking: number
      readonly faults: readonly { readonly url: string; readonly expected: string; readonly came: string }[]
      readonly trace?: { readonly state: string; readonly reason: string; readonly generation?: number }
    }
  }
}

export function holds({ presence, latestGeneration }: Host): string {
  if (!presence) return 'nothing proven'
  const missing = presence.missing > 0 ? `, ${presence.missing} missing` : ''
  return `generation ${presence.generation} of ${latestGeneration ?? '?'}${missing}`
}

export function stateOf(host: Host): string {
  if (!host.isAdminActive || !host.isUserActive) return `off${host.disableReason ? `: ${host.disableReason}` : ''}`
  const { state } = host
  if (state?.circuit !== undefined && state.circuit !== 'closed') return `${state.circuit}: ${state.reason ?? ''}`
  const urls = state?.liveness?.urls ?? []
  if (urls.some((one) => one.isAlive)) return 'alive'
  return urls[0]?.reason ?? state?.lastCrawl?.reason ?? 'not looked at yet'
}

function placeOf({ country, latitude, longitude }: Host): string {
  const at = latitude === undefined ? '' : ` at ${latitude}, ${longitude}`
  return `${country ?? 'no country'}${at}`
}

export function describeHost(host: Host): string {
  const crawl = host.state?.lastCrawl
  const lines = [
    `${host.name} of ${host.site}: ${host.grade}, ${host.bandwidthMbps} Mbit/s, ${placeOf(host)}`,
    `  holds  ${holds(host)}`,
    `  state  ${stateOf(host)}`,
    ...host.categories.flatMap(({ category, urls }) => urls.map((url) => `  url    ${url} (${category})`)),
    ...(host.state?.liveness?.urls ?? []).map(
      (one) =>
        `  probe  ${one.url}: ${one.isAlive ? `alive, ${Math.round(one.roundTripMs)} ms` : (one.reason ?? 'down')}`,
    ),
    ...(crawl
      ? [
          `  crawl  ${ago(new Date(crawl.finishedAtMs).toISOString(), Date.now())}: ${crawl.outcome}, ${crawl.held} held, ${crawl.lacking} lacking. ${crawl.reason}`,
        ]
      : []),
    ...(crawl?.faults ?? []).map(
      (fault) => `  fault  ${fault.url}\n         expected ${fault.expected}\n         came     ${fault.came}`,
    ),
    ...describeClaims(host),
  ]
  return `${lines.join('\n')}\n`
}

/** What it says of itself, and what came of that. */
function describeClaims({ lastCheckIn, state }: Host): string[] {
  const trace = state?.lastCrawl?.trace
  const of = (generation: number | undefined) => (generation === undefined ? '' : `generation ${generation}, `)
  return [
    ...(lastCheckIn
      ? [
          `  check-in  ${of(lastCheckIn.generation)}by ${lastCheckIn.source}, ${ago(lastCheckIn.at, Date.now())}: ${lastCheckIn.state}${lastCheckIn.reason ? `: ${lastCheckIn.reason}` : ''}`,
        ]
      : []),
    ...(trace ? [`  trace  ${of(trace.generation)}${trace.state}: ${trace.reason}`] : []),
  ]
}
