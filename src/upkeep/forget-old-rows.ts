// Rows that only told of the day: jobs that are over, answers kept for repeated requests, check-ins,
// pulls by day. The log of acts and the events stay.

import { forgetCheckIns } from '#catalogue/check-ins.ts'
import { forgetAnswers } from '#catalogue/idempotency.ts'
import { dayOf, forgetPulls, keptDays } from '#catalogue/pulls.ts'
import { forgetReportSources } from '#catalogue/reports.ts'
import type { Catalogue } from '#catalogue/schema.ts'
import { forgetJobs } from '#jobs/queue.ts'

export type Ages = {
  /** Jobs that are over, but for crawls, which come every minute and leave a record of their own. */
  readonly jobMs: number
  readonly crawlJobMs: number
  readonly answerMs: number
  readonly checkInMs: number
  readonly pullDays: number
  /** Runs of front doors; a report that waited longer could be taken twice. */
  readonly reportSourceMs: number
}

export const defaultAges: Ages = {
  jobMs: 30 * 86_400_000,
  crawlJobMs: 3_600_000,
  answerMs: 7 * 86_400_000,
  checkInMs: 90 * 86_400_000,
  pullDays: keptDays,
  reportSourceMs: 90 * 86_400_000,
}

export async function forgetOldRows(catalogue: Catalogue, nowMs: number, ages: Ages = defaultAges): Promise<void> {
  await forgetJobs(catalogue, { finishedBeforeMs: nowMs - ages.jobMs })
  await forgetJobs(catalogue, { finishedBeforeMs: nowMs - ages.crawlJobMs, kind: 'crawl' })
  await catalogue.transaction().execute((tx) => forgetAnswers(tx, nowMs - ages.answerMs))
  await forgetCheckIns(catalogue, nowMs - ages.checkInMs)
  await forgetPulls(catalogue, dayOf(nowMs) - ages.pullDays)
  await forgetReportSources(catalogue, nowMs - ages.reportSourceMs)
}
