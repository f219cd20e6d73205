// What proof costs a host in a day: every request that the mirror role and all front doors send it, counted with the real pace, the real
// classes and a clock that jumps. Hosts do not see each other, so one of each kind stands for many; SIM_HOSTS=1000 counts them all.

import { expect, test } from 'bun:test'
import { kinds } from '#config/option-kinds.ts'
import { options } from '#config/options.ts'
import { clientAddressReader } from '#http/client-address.ts'
import { parseAddress, prefixKey } from '#kit/address.ts'
import type { Digest } from '#oci/digest.ts'
import {
  clientReadDefaults,
  crawlDefaults,
  livenessDefaults,
  retryDefaults,
  strikeDefaults,
  wholeReadDefaults,
} from '#roles/mirror-defaults.ts'
import { SnapshotHolder } from '#snapshots/holder.ts'
import { noPlaces } from '#snapshots/places.ts'
import { tracePath } from '#snapshots/trace.ts'
import { crawlHost } from '#stages/mirror/crawl-host.ts'
import { dueCrawls } from '#stages/mirror/due-crawls.ts'
import { FleetWatch } from '#stages/mirror/fleet-watch.ts'
import { FrontDoor, frontDefaults } from '#stages/redirect/front-door.ts'
import { hostRecord, MemoryRecords } from '../faults/fleet.ts'
import { firstGeneration, type PaperHost, PaperTree, PaperWire } from '../kit/paper-fleet.ts'
import { seeded } from '../kit/seeded.ts'

const hostCount = Number(process.env.SIM_HOSTS ?? 8)
const hours = Number(process.env.SIM_HOURS ?? 24)
const frontDoors = 3
const mostADay = 20_000

const startMs = 1_800_000_000_000
const [minute, hour, day] = [60_000, 3_600_000, 86_400_000]
/** Promotions of five minutes are published together: a busy day is one in which there is always one. */
const publishEveryMs = 5 * minute
const newBlobsADay = 2_000
const livenessMs = 10_000
const lookMs = 5_000
/** At each front door a client of each host's own network asks for a blob: at a thousand hosts 13 million a day. */
const askEveryMs = 20_000

const latestAt = (nowMs: number) => firstGeneration + 1 + Math.floor((nowMs - startMs) / publishEveryMs)
/** What a host has that copies at these moments, so long after the generation came. */
const copiedEvery = (everyMs: number) => (nowMs: number) => latestAt(nowMs - ((nowMs - startMs) % everyMs) - minute)

/** Hosts as there are; each figure is one that a real fleet shows somewhere. */
const sorts: readonly Omit<PaperHost, 'name'>[] = [
  { isUp: () => true, generationAt: copiedEvery(2 * minute), hasHint: true, families: [4, 6] },
  { isUp: () => true, generationAt: copiedEvery(hour), hasHint: true, families: [4, 6] },
  { isUp: () => true, generationAt: copiedEvery(hour) },
  {
    isUp: () => true,
    generationAt: copiedEvery(hour),
    isLacking: (n) => n % 2_000 === 7,
    hasHint: true,
    families: [4, 6],
  },
  { isUp: () => false, generationAt: () => firstGeneration },
  {
    isUp: (nowMs) => (nowMs - startMs) % (10 * minute) > minute,
    generationAt: copiedEvery(10 * minute),
    hasHint: true,
    families: [4, 6],
  },
  { isUp: () => true, generationAt: copiedEvery(hour), isEncoding: true },
  { isUp: () => true, generationAt: () => firstGeneration, hasHint: true },
]
const sortNames = [
  'follows at once',
  'copies hourly',
  'hourly, says nothing',
  'lacks 500',
  'dead',
  'fails every 10 min',
  'compresses',
  'a day behind',
]

class Day {
  nowMs = startMs
  readonly tree = new PaperTree(Math.ceil((newBlobsADay * publishEveryMs) / day))
  readonly records = new MemoryRecords()
  readonly hosts: PaperHost[] = Array.from({ length: hostCount }, (_, i) => ({
    ...sorts[i % sorts.length]!,
    name: `h${i + 1}`,
  }))
  readonly wire = new PaperWire(this.hosts, this.tree, () => this.nowMs)
  readonly holder = new SnapshotHolder('stable')
  readonly failures: unknown[] = []
  readonly #random = seeded(6)
  readonly #watch: FleetWatch
  readonly #fronts: readonly FrontDoor[]
  readonly #pace = { ...retryDefaults, againMs: kinds.duration.parse(options.crawlInterval.default) as number }

  constructor() {
    const now = () => this.nowMs
    const log = (error: unknown) => void this.failures.push(error)
    for (const [i, { name, isLacking }] of this.hosts.entries()) {
      const urls = [`https://${name}.example.net`, `http://${name}.example.net`]
      const network = { netblocks: [`10.${i >> 8}.${i & 255}.0/24`] }
      this.records.hosts.push({
        ...hostRecord(urls[0]!, i + 1),
        ...network,
        categories: [{ category: 'stable', urls }],
      })
      const missing: string[] = []
      for (let n = 0; isLacking && n < 1_000_000; n++) if (isLacking(n)) missing.push(this.tree.blobAt(n).digest)
      this.records.presence.set(i + 1, { generation: firstGeneration, missing, extra: [] })
    }
    const shared = {
      blobs: this.tree.source,
      tree: this.tree.records,
      records: this.records,
      random: this.#random,
      now,
      log,
    }
    this.#watch = new FleetWatch(
      { ...shared, client: this.wire.clientOf('liveness') },
      {
        channel: 'stable',
        liveness: livenessDefaults,
        strikes: strikeDefaults,
        clientReads: clientReadDefaults,
        wholeReads: wholeReadDefaults,
        isBehindTls: true,
      },
    )
    this.#fronts = Array.from(
      { length: frontDoors },
      () =>
        new FrontDoor(
          {
            holder: this.holder,
            places: noPlaces,
            readClientAddress: clientAddressReader([]),
            ticketKey: Buffer.alloc(32, 7),
            report: (evidence) => {
              if ('prefixKey' in evidence && evidence.kind !== 're-ask')
                void this.#watch
                  .strike(evidence.hostId, evidence.prefixKey)
                  .then((health) => health && this.holder.takeHealth(health))
            },
            now,
            random: this.#random,
            outbound: this.wire.clientOf('front doors'),
            openBlob: this.tree.source.open,
          },
          frontDefaults,
        ),
    )
  }

  async pass(untilMs: number): Promise<void> {
    for (; this.nowMs < untilMs; this.nowMs += lookMs) {
      if ((this.nowMs - startMs) % livenessMs === 0) {
        const { placement, health } = await this.#watch.round()
        this.holder.takePlacement(placement)
        this.holder.takeHealth(health)
      }
      await this.#crawlDue()
      await this.#ask()
    }
  }

  async #crawlDue(): Promise<void> {
    const generation = latestAt(this.nowMs)
    const { hosts, presence, crawls: lastCrawls } = this.records
    const publishedAtMs = this.nowMs - ((this.nowMs - startMs) % publishEveryMs)
    const state = { channel: 'stable', generation, publishedAtMs, hosts, presence, lastCrawls }
    const client = this.wire.clientOf('crawl')
    const tools = {
      client,
      blobs: this.tree.source,
      records: this.records,
      tree: this.tree.records,
      random: this.#random,
      now: () => this.nowMs,
    }
    for (const host of dueCrawls(state, this.#pace, this.nowMs)) {
      // The role reads the host's trace before each crawl.
      await client
        .send({ url: `${host.categories[0]!.urls[0]}/${tracePath(host.name)}`, totalMs: 1, idleMs: 1, maxBodyBytes: 1 })
        .catch(() => undefined)
      await crawlHost({ host, channel: 'stable', generation }, tools, crawlDefaults)
    }
  }

  /** Clients of each host's own network ask for what is new as often as for anything else, at every front door. */
  async #ask(): Promise<void> {
    if ((this.nowMs - startMs) % askEveryMs !== 0) return
    const count = this.tree.countAt(latestAt(this.nowMs))
    for (const front of this.#fronts) {
      for (let i = 0; i < hostCount; i++) {
        const address = parseAddress(`10.${i >> 8}.${i & 255}.${1 + Math.floor(this.#random() * 200)}`)!
        const fromNew = this.#random() < 0.5 ? count - 2_000 : 0
        const blob = this.tree.blobAt(fromNew + Math.floor(this.#random() * (count - fromNew)))
        const client = {
          address,
          prefixKey: prefixKey(address),
          country: undefined,
          asn: undefined,
          kind: 'normal',
          isTls: true,
        } as const
        await front.chooser.choose({
          fleet: this.holder.current.fleet,
          client,
          blob: { ...blob, digest: blob.digest as Digest, small: undefined, isConfig: false },
          range: undefined,
          userAgent: 'docker',
          nowMs: this.nowMs,
        })
      }
    }
  }
}

test('no host is asked more than 20,000 times a day by all of them together', async () => {
  const passed = new Day()
  await passed.pass(startMs + hours * hour)
  expect(passed.failures).toEqual([])
  console.log('requests of a host in a day      liveness    crawls  front doors     all')
  const totals = passed.hosts.map(({ name }, i) => {
    const parts = passed.wire.requests.get(name)!
    const aDay = Object.values(parts).map((count) => Math.round((count * 24) / hours))
    const all = aDay.reduce((sum, count) => sum + count, 0)
    if (i < sorts.length)
      console.log(`  ${sortNames[i]!.padEnd(28)}${[...aDay, all].map((count) => String(count).padStart(11)).join('')}`)
    return all
  })
  expect(Math.max(...totals)).toBeLessThanOrEqual(mostADay)
}, 600_000)
