// What a front door counted leaves it now and then: to the catalogue where that is open in this process, else as a file that the
// worker takes (take-pull-reports.ts).

import { randomBytes } from 'node:crypto'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Logger } from 'pino'
import { addPulls, dayOf } from '#catalogue/pulls.ts'
import type { Catalogue } from '#catalogue/schema.ts'
import { makeFolder, writeFileAtomically } from '#kit/atomic-file.ts'
import { encodePullReport, type PullReport } from '#snapshots/pull-report.ts'
import type { PullCounts } from '#stages/redirect/pull-counts.ts'
import { every } from './worker.ts'

export type DeliverPulls = (report: PullReport) => Promise<void>

const handOverMs = 10_000
/** With so many waiting nobody takes them: the front door then keeps what it counts, within its own bound. */
const maxWaitingReports = 1000

export function pullsToCatalogue(catalogue: Catalogue): DeliverPulls {
  return ({ channel, day, counts }) => addPulls(catalogue, { channel, day }, counts)
}

/** Names in order of time, and new ones after a restart. */
export function pullsToFolder(folder: string, now: () => number): DeliverPulls {
  return async (report) => {
    await makeFolder(folder)
    const waiting = (await readdir(folder)).filter((name) => name.endsWith('.pulls')).length
    if (waiting >= maxWaitingReports)
      throw new Error(`${waiting} reports of pulls wait in ${folder}: is a worker running on this data folder?`)
    const name = `${String(now()).padStart(15, '0')}-${randomBytes(4).toString('hex')}.pulls`
    await writeFileAtomically(join(folder, name), encodePullReport(report))
  }
}

export type PullHandOver = { stop(): Promise<void> }

/** Hands over every ten seconds, and what is left at the stop. What cannot be delivered is kept for the next time. */
export function startPullHandOver(
  pulls: PullCounts,
  { channel, deliver, now, log }: { channel: string; deliver: DeliverPulls; now: () => number; log: Logger },
): PullHandOver {
  const handOver = async () => {
    const counts = pulls.take()
    if (counts.size === 0) return
    try {
      await deliver({ channel, day: dayOf(now()), counts })
    } catch (error) {
      pulls.giveBack(counts)
      log.warn({ err: error }, 'the pulls counted could not be handed over; they wait for the next time')
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
