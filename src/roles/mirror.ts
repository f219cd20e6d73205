// Keeps watch over the hosts: crawls when there is news, liveness every few seconds, and the two snapshots that front doors follow.
//
//   <data>/snapshots/<channel>/placement.json, health.json      replaced whole, by rename

import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { findLatestGeneration } from '#catalogue/generations.ts'
import { OutboundClient } from '#http/outbound/outbound-client.ts'
import { listRunningKeys } from '#jobs/queue.ts'
import type { JobHandler } from '#jobs/runner.ts'
import { makeFolder, writeFileAtomically } from '#kit/atomic-file.ts'
import type { ReportedEvidence } from '#snapshots/evidence-report.ts'
import type { HealthDocument } from '#snapshots/health.ts'
import type { PlacementDocument } from '#snapshots/placement.ts'
import { MissChecks } from '#stages/mirror/check-misses.ts'
import { crawlAndDecide } from '#stages/mirror/decide-check-ins.ts'
import { dueCrawls } from '#stages/mirror/due-crawls.ts'
import { FleetWatch } from '#stages/mirror/fleet-watch.ts'
import { type CrawlTarget, crawlJobKind, crawlKey, requestCrawl } from '#stages/mirror/request-crawl.ts'
import { takeEvidence } from '#stages/mirror/take-evidence.ts'
import type { Evidence } from '#stages/redirect/evidence.ts'
import { pullsToCatalogue } from './hand-over-pulls.ts'
import { keepBlockChecks } from './keep-block-checks.ts'
import {
  checkInDefaults,
  crawlDefaults,
  livenessDefaults,
  missDefaults,
  retryDefaults,
  strikeDefaults,
  wholeReadDefaults,
} from './mirror-defaults.ts'
import { startMirrorListener } from './mirror-listener.ts'
import { fleetRecords, hostRecords, treeRecords } from './mirror-records.ts'
import { ownNames } from './own-names.ts'
import type { Resources } from './resources.ts'
import type { Role } from './role.ts'
import { every } from './worker.ts'

export type Mirror = Role & {
  readonly jobs: Readonly<Record<string, JobHandler>>
  /** Crawls every host that may have news and begins a round; called when a generation was published or hosts changed. */
  lookAround(): Promise<void>
  /** Crawls every host, news or not. */
  checkAll(): Promise<void>
  report(evidence: Evidence): void
  describeHost(hostId: number): ReturnType<FleetWatch['describe']>
}

const lookMs = 5_000
const rebuildMs = 10_000

export async function startMirror(
  resources: Resources,
  nudge: { readonly snapshots: () => void; readonly jobs: () => void },
): Promise<Mirror> {
  const { catalogue, blobs, config, log, now } = resources
  const { settings, publicChannel: channel } = config
  const client = new OutboundClient({
    allowPrivate: settings.allowPrivateHosts || settings.demo,
    userAgent: 'docker/28.5.2 go/go1.24.8 kernel/6.12.0 os/linux arch/amd64 UpstreamClient(Docker-Client/28.5.2)',
    ca: settings.hostCa === undefined ? undefined : await readFile(settings.hostCa, 'utf8'),
  })
  const records = hostRecords(catalogue, now)
  const tree = treeRecords(catalogue)
  const paths = await snapshotPaths(config.data, channel)
  let written = {
    placement: await restore<PlacementDocument>(paths.placement),
    health: await restore<HealthDocument>(paths.health),
  }
  const misses = new MissChecks(channel, { client, blobs, random: Math.random, records, tree, now }, missDefaults)
  const watch = new FleetWatch(
    {
      client,
      blobs,
      random: Math.random,
      now,
      tree,
      records: misses.over(fleetRecords(catalogue)),
      log: (error) => log.error({ err: error }, 'a look at hosts failed'),
    },
    {
      channel,
      liveness: livenessDefaults,
      strikes: strikeDefaults,
      wholeReads: wholeReadDefaults,
      ownNames: ownNames(config),
      isBehindTls: config.urls.frontdoor?.startsWith('https:') ?? config.tls !== undefined,
    },
    written,
  )

  /** One write at a time, and never an older document over a newer one. */
  let telling: Promise<void> = Promise.resolve()
  const tell = (told: { placement?: PlacementDocument; health: HealthDocument }): Promise<void> => {
    const next = telling.catch(() => undefined).then(() => write(told))
    telling = next
    return next
  }
  const write = async ({
    placement = written.placement,
    health,
  }: {
    placement?: PlacementDocument
    health: HealthDocument
  }) => {
    const isNewPlacement = placement && placement.version > (written.placement?.version ?? 0)
    const isNewHealth = health.version > (written.health?.version ?? 0)
    if (isNewPlacement) await writeFileAtomically(paths.placement, JSON.stringify(placement))
    if (isNewHealth) await writeFileAtomically(paths.health, JSON.stringify(health))
    written = {
      placement: isNewPlacement ? placement : written.placement,
      health: isNewHealth ? health : written.health,
    }
    if (isNewPlacement || isNewHealth) nudge.snapshots()
  }

  const crawl: JobHandler = async (payload, control) => {
    const task = payload as CrawlTarget
    const host = (await records.listHosts()).find((one) => one.id === task.hostId)
    const latest = await findLatestGeneration(catalogue, task.channel, 'published')
    if (!host || !latest) return { outcome: 'nothing to crawl' }
    const { signal } = control
    const tools = { client, blobs, catalogue, records, tree, random: Math.random, now, signal }
    const record = await crawlAndDecide({ host, channel: task.channel, generation: latest.number }, tools, {
      crawl: { ...crawlDefaults, concurrency: settings.crawlConnections },
      checkIns: {
        ...checkInDefaults,
        maxPerHour: settings.maxCheckIns,
        maxSkewMs: settings.traceClockSkew,
        maxOpenMs: settings.checkInAge,
      },
    })
    // Given back, to be done again.
    signal.throwIfAborted()
    log.info({ host: host.name, outcome: record.outcome, held: record.held, lacking: record.lacking }, 'crawled')
    // A host that was just proven is looked at at once: it must not wait a round to be used.
    await tell(await watch.admit(host.id))
    return record
  }

  const lookAround = async (isForced = false) => {
    const nowMs = now()
    // What runs now would only be done twice; unless there is news that it may have begun without.
    const running = isForced ? new Set<string>() : await listRunningKeys(catalogue, crawlJobKind)
    const pace = { againMs: settings.crawlInterval, ...retryDefaults }
    for (const carried of settings.publicChannels) {
      const latest = await findLatestGeneration(catalogue, carried, 'published')
      const kept = fleetRecords(catalogue)
      const state = {
        channel: carried,
        generation: latest?.number ?? 0,
        publishedAtMs: latest?.publishedAtMs,
        hosts: await kept.listHosts(),
        presence: await kept.listPresence(carried),
        lastCrawls: isForced ? new Map() : await kept.listLastCrawls(carried),
      }
      for (const { id } of dueCrawls(state, pace, nowMs)) {
        const target = { hostId: id, channel: carried }
        if (running.has(crawlKey(target))) continue
        await catalogue.transaction().execute((tx) => requestCrawl(tx, target, nowMs))
      }
    }
    nudge.jobs()
  }

  const logEvidence = (error: unknown) => log.error({ err: error }, 'a look at a host on evidence failed')
  const take = (evidence: readonly ReportedEvidence[]) =>
    takeEvidence(evidence, { watch, misses, tell, log: logEvidence })
  const report = (one: Evidence) => {
    if (one.kind !== 're-ask' && one.kind !== 'probe-passed') take([one])
  }

  let rounding: Promise<void> | undefined
  const round = () => {
    rounding ??= watch
      .round()
      .then(tell)
      .finally(() => {
        rounding = undefined
      })
    return rounding
  }
  /** Hosts may have changed, and a round that is under way began without knowing: another one follows it. */
  const roundAnew = () => {
    const running = rounding ?? Promise.resolve()
    running
      .catch(() => undefined)
      .then(round)
      .catch((error) => log.error({ err: error }, 'a round of liveness failed'))
  }
  const lookAnew = async (isForced: boolean) => {
    await lookAround(isForced)
    roundAnew()
  }
  const timers = [
    every(settings.livenessInterval, log, round),
    every(lookMs, log, () => lookAround()),
    every(rebuildMs, log, async () => tell(await watch.rebuild())),
  ]
  await tell(await watch.rebuild())
  roundAnew()
  const blockChecks = keepBlockChecks(resources)
  const listener = await startMirrorListener(config, log, {
    folder: paths.folder,
    takeEvidence: take,
    takePulls: pullsToCatalogue(catalogue, { maxSubjects: settings.statisticsNames, now }),
  })
  return {
    name: 'mirror',
    listeners: listener ? { mirror: listener } : {},
    jobs: { [crawlJobKind]: crawl },
    notReady: () => undefined,
    lookAround: () => lookAnew(false),
    checkAll: () => lookAnew(true),
    report,
    describeHost: (hostId) => watch.describe(hostId),
    async stop() {
      for (const timer of timers) clearInterval(timer)
      await blockChecks.stop()
      await listener?.stop(settings.drain)
      await rounding?.catch(() => undefined)
      await telling.catch(() => undefined)
      await client[Symbol.asyncDispose]()
    },
  }
}

async function snapshotPaths(data: string, channel: string) {
  const folder = join(data, 'snapshots')
  await makeFolder(join(folder, channel))
  return { folder, placement: join(folder, channel, 'placement.json'), health: join(folder, 'health.json') }
}

async function restore<T>(path: string): Promise<T | undefined> {
  try {
    return JSON.parse(await readFile(path, 'utf8')) as T
  } catch {
    return undefined
  }
}
