// Keeps watch over the hosts: crawls when there is news, liveness every few seconds, and the two snapshots that front doors follow.
//
//   <data>/snapshots/<channel>/placement.json, health.json      replaced whole, by rename

import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { findLatestGeneration } from '#catalogue/generations.ts'
import { OutboundClient } from '#http/outbound/outbound-client.ts'
import { enqueue } from '#jobs/queue.ts'
import type { JobHandler } from '#jobs/runner.ts'
import { makeFolder, writeFileAtomically } from '#kit/atomic-file.ts'
import type { Digest } from '#oci/digest.ts'
import type { HealthDocument } from '#snapshots/health.ts'
import type { PlacementDocument } from '#snapshots/placement.ts'
import { buildHealth } from '#stages/mirror/build-health.ts'
import { buildPlacement } from '#stages/mirror/build-placement.ts'
import { type HostLiveness, type LivenessTarget, LivenessWatch } from '#stages/mirror/check-liveness.ts'
import { crawlHost } from '#stages/mirror/crawl-host.ts'
import type { CrawlRecord, HostRecord, Presence, TreeBlob } from '#stages/mirror/host-records.ts'
import { readWhole } from '#stages/mirror/read-whole.ts'
import { StrikeBook } from '#stages/mirror/strikes.ts'
import { crawlDefaults, livenessDefaults, strikeDefaults } from './mirror-defaults.ts'
import { hostRecords, treeRecords } from './mirror-records.ts'
import type { Resources } from './resources.ts'
import type { Role } from './role.ts'
import { every } from './worker.ts'

/** What a front door saw of a host; the shape of the redirect stage's evidence. */
export type Evidence = {
  readonly kind: string
  readonly hostId: number
  readonly prefixKey?: number
  readonly atMs: number
}

export type Mirror = Role & {
  readonly jobs: Readonly<Record<string, JobHandler>>
  /** Crawls every host that may have news; called when a generation was published. */
  lookAround(): Promise<void>
  /** Crawls every host, news or not. */
  checkAll(): Promise<void>
  report(evidence: Evidence): void
  describeHost(hostId: number): {
    readonly liveness: HostLiveness | undefined
    readonly circuit: string
    readonly reason: string | undefined
  }
}

/** An unchanged placement is told again after this long, so that readers can tell a calm fleet from a dead maker. */
const freshPlacementMs = 30 * 60_000
/** A whole read may take as long as a slow host needs for a large layer. */
const wholeReadMs = 600_000
const observeMs = 1000

export async function startMirror(
  resources: Resources,
  nudge: { readonly snapshots: () => void; readonly jobs: () => void },
): Promise<Mirror> {
  const { catalogue, blobs, config, log, now } = resources
  const { settings } = config
  const client = new OutboundClient({
    allowPrivate: settings.allowPrivateHosts || settings.demo,
    userAgent: 'docker/28.5.2 go/go1.24.8 kernel/6.12.0 os/linux arch/amd64 UpstreamClient(Docker-Client/28.5.2)',
    ca: settings.hostCa === undefined ? undefined : await readFile(settings.hostCa, 'utf8'),
  })
  const records = hostRecords(catalogue, now)
  const tree = treeRecords(catalogue)
  const strikes = new StrikeBook(strikeDefaults)
  const source = {
    open: (digest: string, range?: { first: number; last: number }) => blobs.open(digest as Digest, range),
  }
  const watch = new LivenessWatch({ client, blobs: source, random: Math.random, now }, livenessDefaults)
  const channel = config.publicChannel
  const folder = join(config.data, 'snapshots')
  await makeFolder(join(folder, channel))
  let placement = await restore<PlacementDocument>(join(folder, channel, 'placement.json'))
  let health = await restore<HealthDocument>(join(folder, 'health.json'))
  /** Undefined until the first round: what the last run told stands until then, so that a restart interrupts nobody. */
  let liveness: readonly HostLiveness[] | undefined

  const crawl: JobHandler = async (payload, control) => {
    const task = payload as { hostId: number; channel: string }
    const host = (await records.listHosts()).find((one) => one.id === task.hostId)
    const latest = await findLatestGeneration(catalogue, task.channel, 'published')
    if (!host || !latest) return { outcome: 'nothing to crawl' }
    const tools = { client, blobs: source, records, tree, random: Math.random, now, signal: control.signal }
    const record = await crawlHost({ host, channel: task.channel, generation: latest.number }, tools, {
      ...crawlDefaults,
      concurrency: settings.crawlConnections,
    })
    log.info({ host: host.name, outcome: record.outcome, held: record.held, lacking: record.lacking }, 'crawled')
    await observe()
    return record
  }

  const lookAround = async (isForced = false) => {
    const nowMs = now()
    for (const carried of settings.publicChannels) {
      const latest = await findLatestGeneration(catalogue, carried, 'published')
      if (!latest) continue
      for (const host of await records.listHosts()) {
        if (!isActive(host) || !carries(host, carried)) continue
        const presence = await records.findPresence(host.id, carried)
        const last = await records.findLastCrawl(host.id, carried)
        const hasNews = (presence?.generation ?? 0) < latest.number
        const isDue = !last || nowMs - last.finishedAtMs >= settings.crawlInterval
        if (isForced || hasNews || isDue) await requestCrawl(host.id, carried, nowMs)
      }
    }
    nudge.jobs()
  }
  const requestCrawl = (hostId: number, carried: string, nowMs: number) =>
    catalogue.transaction().execute((tx) =>
      enqueue(
        tx,
        {
          kind: 'crawl',
          payload: { hostId, channel: carried },
          dedupeKey: `${hostId}/${carried}`,
          runAtMs: nowMs,
          maxAttempts: 1,
        },
        nowMs,
      ),
    )

  const facts = async () => {
    const hosts = await records.listHosts()
    const presence = new Map<number, Presence>()
    const lastCrawls = new Map<number, CrawlRecord>()
    for (const { id } of hosts) {
      const known = await records.findPresence(id, channel)
      if (known) presence.set(id, known)
      const last = await records.findLastCrawl(id, channel)
      if (last) lastCrawls.set(id, last)
    }
    return { hosts, presence, lastCrawls }
  }

  const targetOf = async (host: HostRecord, presence: Presence | undefined): Promise<LivenessTarget> => ({
    hostId: host.id,
    urls: host.categories.find((one) => one.category === channel)?.urls ?? [],
    blob: presence && (await pickProven(presence)),
  })
  const pickProven = async (presence: Presence): Promise<TreeBlob | undefined> => {
    for (let tries = 0; presence.generation > 0 && tries < 8; tries++) {
      const blob = await tree.pickBlob(channel, presence.generation, Math.random())
      if (blob && !presence.missing.includes(blob.digest)) return blob
    }
    const extra = presence.extra[0]
    return extra === undefined ? undefined : await tree.findBlob(channel, extra)
  }

  /** Looks at every host, then tells front doors what they need to know. */
  const checkLiveness = async () => {
    const { hosts, presence } = await facts()
    const active = hosts.filter((host) => isActive(host) && carries(host, channel))
    liveness = await watch.check(await Promise.all(active.map((host) => targetOf(host, presence.get(host.id)))))
    strikes.keepOnly(new Set(active.map((host) => host.id)))
    for (const { hostId, urls } of liveness) {
      const looked = urls.filter((one) => one.checkedAtMs > 0)
      if (looked.length === 0) continue
      strikes.probed(
        hostId,
        looked.some((one) => one.isAlive) ? undefined : (looked[0]?.reason ?? 'it does not answer'),
        now(),
      )
    }
    for (const hostId of strikes.listDraining()) await readDraining(hostId)
    await observe()
  }
  const readDraining = async (hostId: number) => {
    const host = (await records.listHosts()).find((one) => one.id === hostId)
    const target = host && (await targetOf(host, await records.findPresence(hostId, channel)))
    const url = target?.urls[0]
    if (!target?.blob || url === undefined) return
    const { sample } = await readWhole(client, url, target.blob, { ...livenessDefaults, totalMs: wholeReadMs })
    strikes.wholeRead(
      hostId,
      sample.verdict === 'good' ? undefined : (sample.fault?.came ?? 'the whole read failed'),
      now(),
    )
  }

  let observing: Promise<void> = Promise.resolve()
  const observe = (): Promise<void> => {
    observing = observing.catch(() => undefined).then(writeSnapshots)
    return observing
  }
  const writeSnapshots = async () => {
    const known = await facts()
    const nowMs = now()
    const isOld = placement !== undefined && nowMs - placement.builtAtMs > freshPlacementMs
    const previous = placement
    const built = buildPlacement(
      channel,
      { ...known, liveness: new Map((liveness ?? []).map((one) => [one.hostId, one])) },
      previous,
      nowMs,
    )
    const next = built === previous && isOld ? { ...built, version: built.version + 1, builtAtMs: nowMs } : built
    if (next !== placement) await writeFileAtomically(join(folder, channel, 'placement.json'), JSON.stringify(next))
    placement = next
    const told = liveness && buildHealth({ liveness, strikes }, health, nowMs)
    if (told && told !== health) await writeFileAtomically(join(folder, 'health.json'), JSON.stringify(told))
    health = told ?? health
    nudge.snapshots()
  }

  const report = (evidence: Evidence) => {
    if (evidence.prefixKey === undefined) return
    if (evidence.kind === 're-ask' || !strikes.strike(evidence.hostId, evidence.prefixKey, now())) return
    probeOnEvidence(evidence.hostId).catch((error) => log.error({ err: error }, 'a probe on evidence failed'))
  }
  const probeOnEvidence = async (hostId: number) => {
    const host = (await records.listHosts()).find((one) => one.id === hostId)
    if (!host) return
    const target = await targetOf(host, await records.findPresence(hostId, channel))
    if (!target.blob) return
    const hasPassed = await watch.checkNow(target)
    strikes.probed(hostId, hasPassed ? undefined : 'a probe failed after clients had come back from it', now())
    await observe()
  }

  const timers = [
    every(settings.livenessInterval, log, checkLiveness),
    every(settings.crawlInterval, log, () => lookAround()),
    every(observeMs * 10, log, observe),
  ]
  await observe()
  checkLiveness().catch((error) => log.error({ err: error }, 'the first look at the hosts failed'))
  return {
    name: 'mirror',
    listeners: {},
    jobs: {
      crawl: async (payload, control) => {
        const result = await crawl(payload, control)
        // A host that was just proven is looked at at once: it must not wait a round to be used.
        await checkLiveness()
        return result
      },
    },
    notReady: () => undefined,
    lookAround: () => lookAround(),
    checkAll: () => lookAround(true),
    report,
    describeHost: (hostId) => ({
      liveness: liveness?.find((one) => one.hostId === hostId),
      circuit: strikes.circuitOf(hostId),
      reason: strikes.reasonOf(hostId),
    }),
    async stop() {
      for (const timer of timers) clearInterval(timer)
      await observing.catch(() => undefined)
      await client[Symbol.asyncDispose]()
    },
  }
}

function isActive(host: HostRecord): boolean {
  return host.isAdminActive && host.isUserActive
}

function carries(host: HostRecord, channel: string): boolean {
  return host.categories.some((one) => one.category === channel && one.urls.length > 0)
}

async function restore<T>(path: string): Promise<T | undefined> {
  try {
    return JSON.parse(await readFile(path, 'utf8')) as T
  } catch {
    return undefined
  }
}
