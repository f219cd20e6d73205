// What the mirror stage keeps about volunteers, and the persistence it needs for it: the catalogue implements HostRecords.

import type { HostGrade } from '#snapshots/placement.ts'

export type SiteRecord = {
  readonly id: number
  readonly name: string
  readonly organisationUrl: string | undefined
  /** A private site makes all its hosts private. */
  readonly isPrivate: boolean
  readonly contact: string | undefined
}

/** Addresses of a host for a channel; none when it does not carry it. */
export function urlsOf(host: HostRecord, channel: string): readonly string[] {
  return host.categories.find(({ category }) => category === channel)?.urls ?? []
}

/** What a host carries of one channel, below one or several addresses without a trailing slash, preferred first. */
export type HostCategory = { readonly category: string; readonly urls: readonly string[] }

export type HostRecord = {
  readonly id: number
  readonly site: SiteRecord
  readonly name: string
  /** ISO 3166-1 alpha-2, upper case. */
  readonly country: string | undefined
  /** Degrees, north and east positive; both or none. */
  readonly latitude?: number | undefined
  readonly longitude?: number | undefined
  readonly bandwidthMbps: number
  readonly grade: HostGrade
  readonly isPrivate: boolean
  /** Switched on by the operator, and by the host's own admin. */
  readonly isAdminActive: boolean
  readonly isUserActive: boolean
  /** Why it was switched off, for the host's admin to read. */
  readonly disableReason: string | undefined
  readonly asn: number | undefined
  /** Whether it serves everybody in its own AS before strangers. */
  readonly isAsnClients: boolean
  readonly peerAsns: readonly number[]
  /** CIDR text. */
  readonly netblocks: readonly string[]
  /** Countries it serves; empty: all. */
  readonly allowedCountries: readonly string[]
  readonly categories: readonly HostCategory[]
  readonly ticket: 'query' | 'none'
  readonly contact: string | undefined
}

/** Which blobs of a channel's tree a host is proven to hold. */
export type Presence = {
  /** Every tree blob up to this generation, but for `missing`; 0: none. */
  readonly generation: number
  readonly missing: readonly string[]
  /** Blobs of later generations. */
  readonly extra: readonly string[]
}

export const noPresence: Presence = { generation: 0, missing: [], extra: [] }

/** complete: all up to the generation was settled; partial: the budget ended it; behind: the host says it is not there yet;
 *  trouble: it could not be asked; unsuitable: it answers in a way that breaks clients; lying: it sent wrong bytes. */
export type CrawlOutcome = 'complete' | 'partial' | 'behind' | 'trouble' | 'unsuitable' | 'lying'

/** One thing that was wrong, with its evidence, for the host's admin. */
export type CrawlFault = { readonly url: string; readonly expected: string; readonly came: string }

/** What the host's trace says of its copy. absent: there is none, or it could not be asked for; unsigned: a hint only; refused: the
 *  reason says why; signed: by a token of this host. */
export type TraceFinding = {
  readonly state: 'absent' | 'unsigned' | 'refused' | 'signed'
  /** One sentence, for the host's admin. */
  readonly reason: string
  readonly generation?: number
  readonly finishedAt?: string
  readonly software?: string
}

export type CrawlRecord = {
  readonly hostId: number
  readonly channel: string
  readonly startedAtMs: number
  readonly finishedAtMs: number
  readonly outcome: CrawlOutcome
  /** One sentence. */
  readonly reason: string
  readonly held: number
  readonly lacking: number
  readonly requests: number
  readonly sampledBytes: number
  /** The first few. */
  readonly faults: readonly CrawlFault[]
  readonly trace?: TraceFinding | undefined
}

export type TreeBlob = { readonly digest: string; readonly sizeBytes: number; readonly generation: number }

export interface HostRecords {
  /** All hosts, those that are switched off or carry other channels included. */
  listHosts(): Promise<readonly HostRecord[]>
  findPresence(hostId: number, channel: string): Promise<Presence | undefined>
  /** Replaces what was kept. */
  savePresence(hostId: number, channel: string, presence: Presence): Promise<void>
  saveCrawl(crawl: CrawlRecord): Promise<void>
  findLastCrawl(hostId: number, channel: string): Promise<CrawlRecord | undefined>
}

/** The blobs of a channel's published tree. */
export interface TreeRecords {
  /** Those whose first generation is after `after` and not after `upTo`, ordered by that generation. */
  listBlobs(channel: string, after: number, upTo: number): AsyncIterable<TreeBlob>
  /** Undefined once it has left the tree. */
  findBlob(channel: string, digest: string): Promise<TreeBlob | undefined>
  /** Any blob whose first generation is not after `upTo`, drawn by `random` in [0, 1). */
  pickBlob(channel: string, upTo: number, random: number): Promise<TreeBlob | undefined>
}
