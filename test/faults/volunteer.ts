// One volunteer's host: a copy on a real web server, a catalogue that knows it, tokens of all kinds, and the crawl that judges it.

import { chmodSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { hashSecret, makeSecret } from '#access/secrets.ts'
import { type CheckInRow, listCheckIns } from '#catalogue/check-ins.ts'
import { type Event, listEvents, sequenceEvents } from '#catalogue/events.ts'
import { addGeneration, markPublished } from '#catalogue/generations.ts'
import { addHost, addSite, listHosts } from '#catalogue/hosts.ts'
import type { Catalogue } from '#catalogue/schema.ts'
import { openSqlite } from '#catalogue/sqlite/open-sqlite.ts'
import { addToken, revokeToken } from '#catalogue/tokens.ts'
import { addTreeBlobs } from '#catalogue/tree-blobs.ts'
import type { OutboundClient } from '#http/outbound/outbound-client.ts'
import type { Digest } from '#oci/digest.ts'
import { fleetRecords, hostRecords, treeRecords } from '#roles/mirror-records.ts'
import type { PlacedHost } from '#snapshots/placement.ts'
import type { Trace } from '#snapshots/trace.ts'
import { buildPlacement } from '#stages/mirror/build-placement.ts'
import { type CheckInOptions, crawlAndDecide } from '#stages/mirror/decide-check-ins.ts'
import type { CrawlRecord } from '#stages/mirror/host-records.ts'
import { takeClaim } from '#stages/mirror/take-claim.ts'
import { signTrace } from '#stages/replicate/write-trace.ts'
import { seeded } from '../kit/seeded.ts'
import type { WebHost } from '../kit/web-hosts.ts'
import { Fleet, hostRecord } from './fleet.ts'

export const nowMs = 1_764_000_000_000
export const minute = 60_000
export const maxPerHour = 6
const checkIns: CheckInOptions = {
  maxPerHour,
  maxSkewMs: 10 * minute,
  maxOpenMs: 360 * minute,
  maxRechecks: 1000,
}
const crawl = {
  concurrency: 4,
  maxRequests: 10_000,
  maxSampledBytes: 100_000_000,
  maxMs: 60_000,
  maxRechecks: 1,
  spotChecks: 2,
  saveEveryMs: 0,
  blocksPerBlob: 2,
  blockBytes: 256,
  idleMs: 5_000,
  totalMs: 10_000,
}

/** By name: what each may, besides that two of them are dead. */
const grants = {
  'honest.test': 'api:check-in:honest.test',
  'other.test': 'api:check-in:other.test',
  operator: 'api:check-in',
  reader: 'api:read',
  revoked: 'api:check-in:honest.test',
  expired: 'api:check-in:honest.test',
} as const
export type TokenName = keyof typeof grants
const secret = makeSecret()

/** It is registered as honest.test and holds generations 1 and 2 of stable, of three blobs each. */
export class Volunteer implements AsyncDisposable {
  readonly fleet: Fleet
  readonly host: WebHost
  readonly db: Catalogue
  readonly #client: OutboundClient

  static async open(): Promise<Volunteer> {
    const fleet = await Fleet.open()
    await fleet.publish(1, 3)
    await fleet.publish(2, 3)
    const host = await fleet.addHost('host')
    const volunteer = new Volunteer(fleet, host, await openSqlite(':memory:'))
    await volunteer.#fill()
    return volunteer
  }

  private constructor(fleet: Fleet, host: WebHost, db: Catalogue) {
    this.fleet = fleet
    this.host = host
    this.db = db
    this.#client = fleet.client()
  }

  async #fill(): Promise<void> {
    await this.db.transaction().execute(async (tx) => {
      const about = { organisationUrl: undefined, isPrivate: false, contact: undefined }
      const site = (await addSite(tx, { name: 'university', ...about }, 1))!
      const { id, site: _, ...facts } = hostRecord(this.host.url)
      await addHost(tx, site.id, { ...facts, name: 'honest.test' }, 1)
      await addTreeBlobs(tx, 'stable', this.fleet.blobs as { digest: Digest; sizeBytes: number; generation: number }[])
      for (const number of [1, 2]) {
        await addGeneration(tx, { channel: 'stable', number, createdAtMs: 1, actor: 'test', summary: {} })
        await markPublished(tx, 'stable', number, {}, 1)
      }
    })
    for (const [name, grant] of Object.entries(grants)) {
      const expiresAtMs = name === 'expired' ? nowMs : undefined
      const about = { name, secretHash: hashSecret(secret), createdBy: 'test', createdAtMs: 1, expiresAtMs }
      await addToken(this.db, { ...about, grants: [grant] })
    }
    await revokeToken(this.db, 'revoked', 2)
  }

  /** A whole copy without a trace, and nothing known of it. */
  async reset(): Promise<void> {
    this.fleet.copyTo(this.host.tree, this.fleet.blobs)
    rmSync(join(this.host.tree, 'trace'), { recursive: true, force: true })
    for (const table of ['check_ins', 'crawls', 'events', 'host_presence', 'jobs'] as const)
      await this.db.deleteFrom(table).execute()
    await this.db.updateTable('host_urls').set({ url: this.host.url }).execute()
  }

  said(more: Partial<Trace> = {}): Trace {
    const finishedAt = new Date(nowMs - minute).toISOString()
    const trace = { host: 'honest.test', channel: 'stable', generation: 2, finishedAt, software: 'test/1' }
    return { format: 1, ...trace, ...more }
  }

  sign(trace: Trace, name: TokenName = 'honest.test'): Trace {
    return signTrace(trace, { name, secret })
  }

  put(trace: unknown): void {
    const folder = join(this.host.tree, 'trace')
    mkdirSync(folder, { recursive: true })
    chmodSync(folder, 0o755)
    writeFileSync(join(folder, 'honest.test'), typeof trace === 'string' ? trace : JSON.stringify(trace))
  }

  /** What the API does with a check-in. */
  async claim(generation: number): Promise<void> {
    const hostId = await this.#id()
    const about = { channel: 'stable', source: 'api', isPartial: false, software: undefined } as const
    const claim = { hostId, generation, finishedAtMs: undefined, ...about }
    await this.db.transaction().execute((tx) => takeClaim(tx, claim, checkIns, nowMs))
  }

  /** A crawl. */
  async look(atMs = nowMs, more: Partial<CheckInOptions> = {}): Promise<CrawlRecord> {
    const { db, fleet } = this
    const tools = {
      client: this.#client,
      blobs: fleet.origin,
      catalogue: db,
      records: hostRecords(db, () => atMs),
      tree: treeRecords(db),
      random: seeded(7),
      now: () => atMs,
    }
    const task = { host: (await listHosts(db))[0]!, channel: 'stable', generation: 2 }
    return await crawlAndDecide(task, tools, { crawl, checkIns: { ...checkIns, ...more } })
  }

  /** Newest first. */
  async checkIns(): Promise<CheckInRow[]> {
    return await listCheckIns(this.db, await this.#id(), 'stable', { limit: 100 })
  }

  async events(): Promise<Event[]> {
    await sequenceEvents(this.db)
    return (await listEvents(this.db, 0, 100)).filter((one) => one.type.startsWith('host.check-in.'))
  }

  /** What front doors are told of it. */
  async placed(): Promise<PlacedHost> {
    const records = fleetRecords(this.db)
    const hosts = await records.listHosts()
    const presence = await records.listPresence('stable')
    const lastCrawls = await records.listLastCrawls('stable')
    return buildPlacement('stable', { hosts, presence, lastCrawls, liveness: new Map() }, undefined, 1).hosts[0]!
  }

  async #id(): Promise<number> {
    return (await listHosts(this.db))[0]!.id
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.db.destroy()
    await this.fleet[Symbol.asyncDispose]()
  }
}
