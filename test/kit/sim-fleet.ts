// A front door with everything behind it in one process, and all of it real: listener, snapshots, liveness, evidence, crawls, and hosts
// that misbehave when they are told to. Only clocks run faster, all of them by the same factor.

import { readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { clientAddressReader } from '#http/client-address.ts'
import type { Listener } from '#http/listener.ts'
import { OutboundClient } from '#http/outbound/outbound-client.ts'
import { listenWire } from '#http/wire/listen-wire.ts'
import { parseCidr } from '#kit/address.ts'
import {
  clientReadDefaults,
  crawlDefaults,
  livenessDefaults,
  retryDefaults,
  strikeDefaults,
  wholeReadDefaults,
} from '#roles/mirror-defaults.ts'
import { withProbes } from '#roles/with-probes.ts'
import { SnapshotHolder } from '#snapshots/holder.ts'
import type { HostGrade } from '#snapshots/placement.ts'
import { noPlaces } from '#snapshots/places.ts'
import { crawlHost } from '#stages/mirror/crawl-host.ts'
import { dueCrawls } from '#stages/mirror/due-crawls.ts'
import { type FleetSnapshots, FleetWatch } from '#stages/mirror/fleet-watch.ts'
import type { HostRecord } from '#stages/mirror/host-records.ts'
import { answerFront } from '#stages/redirect/answer-front.ts'
import type { Evidence } from '#stages/redirect/evidence.ts'
import { FrontDoor, type FrontOptions, frontDefaults } from '#stages/redirect/front-door.ts'
import { hostRecord, MemoryRecords } from '../faults/fleet.ts'
import type { Authority } from './certificate-authority.ts'
import { SimHost } from './sim-host.ts'
import { SimTree, simChannel, simRepository } from './sim-tree.ts'
import { type LineOptions, SlowLine } from './slow-line.ts'

export type SimFleetOptions = {
  readonly hosts: number
  /** How many of them are gold. */
  readonly gold: number
  readonly blobs: number
  readonly blobBytes: number
  /** Every interval of production is divided by this, */
  readonly haste: number
  /** those of crawls by this one, when hosts copy in still less time. */
  readonly crawlHaste?: number
  readonly front?: Partial<FrontOptions>
  /** Everybody speaks https with certificates of this one. */
  readonly authority?: Authority
  /** Hosts are at the other end of such a line, for the front door as for clients. */
  readonly line?: LineOptions
}

/** Of production, in milliseconds. */
const livenessMs = 10_000
const crawlEveryMs = 600_000
/** How often the role looks who is to be crawled. */
const lookMs = 5_000

export class SimFleet implements AsyncDisposable {
  readonly tree = new SimTree()
  readonly hosts: SimHost[] = []
  readonly lines: SlowLine[] = []
  readonly evidence: Evidence[] = []
  readonly front: FrontDoor
  readonly holder = new SnapshotHolder(simChannel)
  readonly records = new MemoryRecords()
  readonly #options: SimFleetOptions
  readonly #folder: string
  readonly #client: OutboundClient
  readonly #listener: Listener
  readonly #watch: FleetWatch
  readonly #timers: Timer[] = []
  /** By host id: one crawl of a host at a time. */
  readonly #crawling = new Map<number, Promise<unknown>>()
  #rounding: Promise<unknown> | undefined
  readonly failures: unknown[] = []

  static async start(options: SimFleetOptions): Promise<SimFleet> {
    const fleet = new SimFleet(options, await mkdtemp(join(tmpdir(), 'sim-fleet-')))
    await fleet.#fill()
    return fleet
  }

  private constructor(options: SimFleetOptions, folder: string) {
    this.#options = options
    this.#folder = folder
    const { haste } = options
    const { authority } = options
    const ca = authority && readFileSync(authority.bundle, 'utf8')
    this.#client = new OutboundClient({ allowPrivate: true, userAgent: 'docker/28.5.2', ca })
    const { source, records: tree, openBlob } = this.tree
    const log = (error: unknown) => void this.failures.push(error)
    const shared = {
      client: this.#client,
      blobs: source,
      tree,
      records: this.records,
      random: Math.random,
      now: Date.now,
      log,
    }
    this.#watch = new FleetWatch(shared, {
      channel: simChannel,
      isBehindTls: authority !== undefined,
      // Over a long line the time is that of production: it is what is tested then.
      liveness: options.line ? livenessDefaults : { ...livenessDefaults, idleMs: 1_000, totalMs: 1_000 },
      shakyMs: 600_000 / haste,
      strikes: hasten(strikeDefaults, ['windowMs', 'probeEveryMs', 'openMs'], haste),
      clientReads: clientReadDefaults,
      wholeReads: { ...wholeReadDefaults, idleMs: 1_000, totalMs: 2_000 },
    })
    this.front = new FrontDoor(
      {
        holder: this.holder,
        places: noPlaces,
        readClientAddress: clientAddressReader([parseCidr('127.0.0.0/8')!]),
        ticketKey: Buffer.alloc(32, 7),
        report: (evidence) => this.#report(evidence),
        now: Date.now,
        random: Math.random,
        outbound: this.#client,
        openBlob,
      },
      {
        ...frontDefaults,
        windowMs: frontDefaults.windowMs / haste,
        isBehindTls: authority !== undefined,
        choose: hasten(frontDefaults.choose, ['epochMs', 'echoMs', 'maxHealthAgeMs', 'maxPlacementAgeMs'], haste),
        proofs: hasten(
          frontDefaults.proofs,
          ['goodForMs', 'badForMs', 'maxBadForMs', 'shakyMs', 'freshMs', 'echoMs'],
          haste,
        ),
        ...options.front,
      },
    )
    this.#listener = listenWire(
      withProbes(
        (ask) => answerFront(ask, this.front),
        () => undefined,
      ),
      {
        host: '127.0.0.1',
        port: 0,
        log,
        tls: authority,
      },
    )
  }

  get url(): string {
    return `${this.#options.authority ? 'https' : 'http'}://127.0.0.1:${this.#listener.port}`
  }

  pathOf(digest: string): string {
    return `/v2/${simRepository}/blobs/${digest}`
  }

  /** `newOnHosts`: whether the hosts have it at once. */
  async publish(count: number, sizeBytes: number, newOnHosts: boolean): Promise<void> {
    const publication = await this.tree.publish(this.#folder, count, sizeBytes)
    const { generation, blobs } = this.tree
    if (newOnHosts) {
      for (const host of this.hosts) for (const { digest } of blobs) host.held.add(digest)
      for (const { id } of this.records.hosts) this.records.presence.set(id, { generation, missing: [], extra: [] })
    }
    this.holder.takePublication(publication)
  }

  /** Liveness and crawls begin; resolves when every host is in the snapshots. */
  async watch(): Promise<void> {
    const { haste, crawlHaste = haste } = this.#options
    await this.#round()
    this.#timers.push(setInterval(() => void this.#round(), livenessMs / haste))
    this.#timers.push(setInterval(() => this.#crawlDue(), Math.max(20, lookMs / crawlHaste)))
  }

  async #fill(): Promise<void> {
    const { hosts, gold, blobs, blobBytes, authority } = this.#options
    const tls = authority && { cert: readFileSync(authority.cert, 'utf8'), key: readFileSync(authority.key, 'utf8') }
    for (let n = 1; n <= hosts; n++) {
      // The certificate names this address only.
      const address = authority ? '127.0.0.1' : `127.0.1.${n}`
      const host = await SimHost.start({ address, tree: this.tree.bytes, held: new Set(), tls })
      this.hosts.push(host)
      const grade: HostGrade = n <= gold ? 'gold' : 'proven'
      this.records.hosts.push({ ...hostRecord(await this.#reach(host), n), grade, bandwidthMbps: 1_000 })
    }
    await this.publish(blobs, blobBytes, true)
  }

  /** The address by which others know the host. */
  async #reach(host: SimHost): Promise<string> {
    const { line: options } = this.#options
    if (!options) return host.url
    const url = new URL(host.url)
    const line = await SlowLine.open('127.0.0.2', { host: url.hostname, port: Number(url.port) }, options)
    this.lines.push(line)
    return `${url.protocol}//127.0.0.2:${line.port}`
  }

  #round(): Promise<unknown> {
    this.#rounding ??= this.#watch
      .round()
      .then((told) => this.#take(told))
      .catch((error) => this.failures.push(error))
      .finally(() => {
        this.#rounding = undefined
      })
    return this.#rounding
  }

  #take({ placement, health }: FleetSnapshots): void {
    this.holder.takePlacement(placement)
    this.holder.takeHealth(health)
  }

  #report(evidence: Evidence): void {
    this.evidence.push(evidence)
    // As the mirror role takes it: a weak return alone says nothing.
    if (!('prefixKey' in evidence) || evidence.kind === 're-ask') return
    this.#watch
      .strike(evidence.hostId, evidence.prefixKey)
      .then((health) => health && this.holder.takeHealth(health))
      .catch((error) => this.failures.push(error))
  }

  #crawlDue(): void {
    const { haste: usual, crawlHaste: haste = usual } = this.#options
    const { generation } = this.tree
    const { hosts, presence, crawls: lastCrawls } = this.records
    const retryMs = Object.fromEntries(
      Object.entries(retryDefaults.retryMs).map(([outcome, ms]) => [outcome, ms / haste]),
    )
    const pace = {
      againMs: crawlEveryMs / haste,
      lackingMs: retryDefaults.lackingMs / haste,
      retryMs: retryMs as typeof retryDefaults.retryMs,
      slowestMs: retryDefaults.slowestMs / haste,
    }
    const state = { channel: simChannel, generation, hosts, presence, lastCrawls }
    for (const host of dueCrawls(state, pace, Date.now())) this.#crawl(host)
  }

  /** A host says that it has copied: it is crawled at once. */
  checkIn(host: SimHost): void {
    this.#crawl(this.records.hosts[this.hosts.indexOf(host)]!)
  }

  #crawl(host: HostRecord): void {
    if (this.#crawling.has(host.id)) return
    const { haste: usual, crawlHaste: haste = usual } = this.#options
    const { source: blobs, records: tree, generation } = this.tree
    const tools = { client: this.#client, blobs, records: this.records, tree, random: Math.random, now: Date.now }
    const limits = { idleMs: 1_000, totalMs: 1_000, saveEveryMs: crawlDefaults.saveEveryMs / haste }
    const crawl = crawlHost({ host, channel: simChannel, generation }, tools, { ...crawlDefaults, ...limits })
      .then(async () => this.#take(await this.#watch.admit(host.id)))
      .catch((error) => this.failures.push(error))
      .finally(() => this.#crawling.delete(host.id))
    this.#crawling.set(host.id, crawl)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer)
    await this.#rounding
    await Promise.all(this.#crawling.values())
    await this.#listener.stop(0)
    for (const one of [...this.lines, ...this.hosts]) await one[Symbol.asyncDispose]()
    await this.#client[Symbol.asyncDispose]()
    await rm(this.#folder, { recursive: true })
  }
}

function hasten<T extends object>(options: T, names: readonly (keyof T)[], haste: number): T {
  return { ...options, ...Object.fromEntries(names.map((name) => [name, (options[name] as number) / haste])) }
}
