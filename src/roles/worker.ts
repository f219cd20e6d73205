// Runs the jobs and the small recurring work.

import { join } from 'node:path'
import type { Logger } from 'pino'
import { sequenceEvents } from '#catalogue/events.ts'
import { rollUpStatistics } from '#catalogue/statistics.ts'
import { endAllLeases } from '#jobs/claim.ts'
import { type JobHandler, JobRunner } from '#jobs/runner.ts'
import { openTrust } from '#trust/open-trust.ts'
import { forgetOldRows } from '#upkeep/forget-old-rows.ts'
import { sweepUploads } from '#upkeep/sweep-uploads.ts'
import { takePullReports } from '#upkeep/take-pull-reports.ts'
import { TrustKeeper } from './keep-trust.ts'
import { openSigner } from './open-signer.ts'
import { PublishJobs } from './publish-jobs.ts'
import type { Resources } from './resources.ts'
import type { Role } from './role.ts'
import { statisticsAges } from './statistics-ages.ts'

/** A channel at a time each. */
const publishLanes = 2
/** Apart from those of publications: hosts that drip may take all of these for minutes, and nothing else is to wait for them. */
const otherLanes = 8
const leaseMs = 30_000
const pollMs = 1000
const sequenceMs = 500
const sweepMs = 3_600_000
const trustMs = 60_000
const takePullsMs = 10_000

const firstRootAdvice =
  'made the first root of trust with its key on this machine; `flotilla keys` moves it to keys that are kept offline'

export type Worker = Role & { nudge(): void; drain(limitMs: number): Promise<void> }

export type WorkerParts = {
  /** The handlers of other roles of this process. */
  readonly jobs: Readonly<Record<string, JobHandler>>
  /** A generation is there: whoever follows by looking now and then is told to look now. */
  readonly onPublished: () => Promise<void>
}

export async function startWorker(resources: Resources, { jobs, onPublished }: WorkerParts): Promise<Worker> {
  const { catalogue, blobs, config, log, now } = resources
  const { timestampLifetime, metadataLifetime, rootLifetime } = config.settings
  const lifetimes = { timestampMs: timestampLifetime, metadataMs: metadataLifetime, rootMs: rootLifetime }
  const trust = await openTrust(config.keys, { ...lifetimes, now, signer: openSigner(config) })
  if (trust.isFirstStart) log.warn(firstRootAdvice)
  const jobsOfTrees = new PublishJobs(resources, trust, onPublished)
  const { publish } = jobsOfTrees
  const runnerOf = (handlers: Readonly<Record<string, JobHandler>>, lanes: number) =>
    new JobRunner(catalogue, handlers, {
      lanes,
      leaseMs,
      pollMs,
      now,
      log: (message, error) => log.error({ err: error }, message),
    })
  const hasOthers = Object.keys(jobs).length > 0
  const runners = [runnerOf({ publish }, publishLanes), ...(hasOthers ? [runnerOf(jobs, otherLanes)] : [])]
  if (config.cataloguePath.kind === 'sqlite') await endAllLeases(catalogue)
  for (const runner of runners) runner.start()
  const keeper = new TrustKeeper(trust, resources)
  // Keys before trees: a root that is taken up now has them signed anew.
  await keeper.look()
  await jobsOfTrees.look()
  const recurring = [
    every(trustMs, log, () => keeper.look()),
    every(jobsOfTrees.lookMs, log, () => jobsOfTrees.look()),
    every(sequenceMs, log, () => sequenceEvents(catalogue)),
    every(takePullsMs, log, () =>
      takePullReports(catalogue, {
        frontDoors: join(config.data, 'frontdoor'),
        channels: config.settings.publicChannels,
        maxSubjects: config.settings.statisticsNames,
        now,
        onRefused: (path, error) => log.error({ err: error, path }, 'a report of pulls was refused and moved aside'),
      }),
    ),
    every(sweepMs, log, async () => {
      await sweepUploads(blobs, config.settings.uploadAge, now())
      await forgetOldRows(catalogue, now())
      await rollUpStatistics(catalogue, now(), statisticsAges(config.settings))
    }),
  ]
  return {
    name: 'worker',
    listeners: {},
    notReady: () => undefined,
    nudge: () => runners.forEach((runner) => void runner.nudge()),
    drain: async (limitMs) => {
      for (const runner of runners) await runner.drain(limitMs)
    },
    async stop() {
      for (const timer of recurring) clearInterval(timer)
      await Promise.all(runners.map((runner) => runner.stop()))
    },
  }
}

/** One at a time: a run that is still under way when the next is due is not joined by it. */
export function every(intervalMs: number, log: Logger, work: () => Promise<unknown>): Timer {
  let isRunning = false
  return setInterval(async () => {
    if (isRunning) return
    isRunning = true
    try {
      await work()
    } catch (error) {
      log.error({ err: error }, 'recurring work failed')
    } finally {
      isRunning = false
    }
  }, intervalMs)
}
