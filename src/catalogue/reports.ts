// What front doors report, into the catalogue: each report once, whole or not at all, however often it is handed over.

import { addPulls, dayOf } from './pulls.ts'
import type { Catalogue, Tx } from './schema.ts'
import { addStatistics, type Counted, startOf } from './statistics.ts'

export type FrontReport = {
  readonly channel: string
  readonly source: string
  readonly sequence: number
  readonly atMs: number
  readonly counts: ReadonlyMap<string, number>
  readonly statistics: readonly (Counted & { readonly kind: string })[]
}

/** False: it was taken before. `maxSubjects`: most names of a kind in an hour. */
export async function takeReport(
  db: Catalogue,
  report: FrontReport,
  { maxSubjects, nowMs }: { readonly maxSubjects: number; readonly nowMs: number },
): Promise<boolean> {
  return await db.transaction().execute(async (tx) => {
    if (!(await claim(tx, report, nowMs))) return false
    const { channel } = report
    // A clock that is ahead makes no hours that are never old.
    const atMs = Math.min(report.atMs, nowMs)
    await addPulls(tx, { channel, day: dayOf(atMs) }, report.counts)
    const startMs = startOf('hour', atMs)
    for (const kind of [...new Set(report.statistics.map((row) => row.kind))].sort()) {
      const rows = report.statistics.filter((row) => row.kind === kind)
      await addStatistics(tx, { channel, kind, span: 'hour', startMs }, rows, maxSubjects)
    }
    return true
  })
}

/** The row is held until the end: a second one with the same report waits, and then finds it taken. */
async function claim(tx: Tx, { source, sequence }: FrontReport, nowMs: number): Promise<boolean> {
  const row = await tx
    .insertInto('report_sources')
    .values({ source, sequence, at_ms: nowMs })
    .onConflict((conflict) =>
      conflict.column('source').doUpdateSet({ sequence, at_ms: nowMs }).where('report_sources.sequence', '<', sequence),
    )
    .returning('sequence')
    .executeTakeFirst()
  return row !== undefined
}

export async function forgetReportSources(db: Catalogue, beforeMs: number): Promise<void> {
  await db.deleteFrom('report_sources').where('at_ms', '<', beforeMs).execute()
}
