// What a front door counted leaves it now and then: to the catalogue where that is open in this process, else as a file that the
// worker takes (take-pull-reports.ts). A report that was not delivered is delivered again as it was, before the next one is made: its
// number lets whoever took it already say so.

import { randomBytes } from 'node:crypto'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Logger } from 'pino'
import { takeReport } from '#catalogue/reports.ts'
import type { Catalogue } from '#catalogue/schema.ts'
import { makeFolder, writeFileAtomically } from '#kit/atomic-file.ts'
import { encodePullReport, type PullReport } from '#snapshots/pull-report.ts'
import type { FrontDoor } from '#stages/redirect/front-door.ts'
import { every } from './worker.ts'

/** Resolves when the report is safe with somebody; the same one may come again after it did. */
export type DeliverPulls = (report: PullReport) => Promise<void>

const handOverMs = 10_000
/** With so many waiting nobody takes them: the front door then keeps what it counts, within its own bound. */
const maxWaitingReports = 1000

export function pullsToCatalogue(
  catalogue: Catalogue,
  { maxSubjects, now }: { readonly maxSubjects: number; readonly now: () => number },
): DeliverPulls {
  return async (report) => {
    await takeReport(catalogue, report, { maxSubjects, nowMs: now() })
  }
}

/** Those of one run in the order of their numbers; the same report is the same file. */
export function pullsToFolder(folder: string): DeliverPulls {
  return async (report) => {
    await makeFolder(folder)
    const waiting = (await readdir(folder)).filter((name) => name.endsWith('.pulls')).length
    if (waiting >= maxWaitingReports)
      throw new Error(`${waiting} reports of pulls wait in ${folder}: is a worker running on this data folder?`)
    const name = `${report.source}-${String(report.sequence).padStart(15, '0')}.pulls`
    await writeFileAtomically(join(folder, name), encodePullReport(report))
  }
}

export type PullHandOver = { stop(): Promise<void> }

/** Hands over every ten seconds, and what is left at the stop. */
export function startPullHandOver(
  { pulls, statistics }: Pick<FrontDoor, 'pulls' | 'statistics'>,
  { channel, deliver, now, log }: { channel: string; deliver: DeliverPulls; now: () => number; log: Logger },
): PullHandOver {
  const source = randomBytes(16).toString('hex')
  let sequence = 0
  let waiting: PullReport | undefined
  const nextReport = (): PullReport | undefined => {
    const report = { channel, source, atMs: now(), counts: pulls.take(), statistics: statistics.take() }
    return report.counts.size + report.statistics.length === 0 ? undefined : { ...report, sequence: ++sequence }
  }
  const handOver = async () => {
    try {
      for (let attempts = 0; attempts < 2; attempts++) {
        waiting ??= nextReport()
        if (!waiting) return
        await deliver(waiting)
        waiting = undefined
      }
    } catch (error) {
      log.warn({ err: error }, 'what was counted could not be handed over; it waits for the next time')
    }
  }
  let last = Promise.resolve()
  const timer = every(handOverMs, log, () => (last = handOver()))
  return {
    async stop() {
      clearInterval(timer)
      await last
      await handOver()
    },
  }
}
