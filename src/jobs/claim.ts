// Who runs a job: one conditional UPDATE under a lease decides, whatever the number of workers.

import { type ExpressionBuilder, sql } from 'kysely'
import type { Catalogue, Schema } from '#catalogue/schema.ts'
import { type Job, type JobState, type Lease, toJob } from './queue.ts'

/** Waiting and due, with none of its key running; or running under a lease that ran out. */
function isDue(job: ExpressionBuilder<Schema, 'jobs'>, nowMs: number) {
  const isKeyRunning = job.exists(
    job
      .selectFrom('jobs as other')
      .select('other.id')
      .whereRef('other.kind', '=', 'jobs.kind')
      .whereRef('other.exclusive_key', '=', 'jobs.exclusive_key')
      .where('other.state', '=', 'running'),
  )
  return job.or([
    job.and([job('jobs.state', '=', 'waiting'), job('jobs.run_at_ms', '<=', nowMs), job.not(isKeyRunning)]),
    isAbandoned(job, nowMs),
  ])
}

function isAbandoned(job: ExpressionBuilder<Schema, 'jobs'>, nowMs: number) {
  return job.and([job('jobs.state', '=', 'running'), job('jobs.lease_until_ms', '<', nowMs)])
}

/** Racers for one row leave all but one empty-handed though more is due: they look again this often. */
const claimTries = 10

/** The job that is due longest, now leased to `owner`. */
export async function claim(
  catalogue: Catalogue,
  kinds: readonly string[],
  lease: Lease,
  nowMs: number,
): Promise<Job | undefined> {
  await endAbandoned(catalogue, nowMs)
  for (let tries = 0; tries < claimTries; tries++) {
    const due = catalogue
      .selectFrom('jobs')
      .select('id')
      .where('kind', 'in', kinds)
      .where((job) => isDue(job, nowMs))
      .orderBy('run_at_ms')
      .orderBy('id')
      .limit(1)
    const row = await catalogue
      .updateTable('jobs')
      .set((set) => ({
        state: 'running',
        attempts: sql<number>`${set.ref('attempts')} + 1`,
        lease_owner: lease.owner,
        lease_until_ms: nowMs + lease.leaseMs,
      }))
      .where('id', '=', due)
      // Once more on the row itself: on PostgreSQL a racer waits for the row and must find it taken.
      .where((job) => isDue(job, nowMs))
      .returningAll()
      .executeTakeFirst()
      .catch(undefinedIfKeyRuns)
    if (row) return toJob(row)
    if (!(await due.executeTakeFirst())) return undefined
  }
  return undefined
}

/** The index jobs_running refuses the second of two racers for two jobs of one key. */
function undefinedIfKeyRuns(error: unknown): undefined {
  const { code } = error as { readonly code?: unknown }
  if (code !== '23505' && code !== 'SQLITE_CONSTRAINT_UNIQUE') throw error
}

/** For a catalogue that only one process can have (SQLite behind the lock of its data folder), at its start: whatever runs there
 *  was left by a process that died, and need not wait until its lease runs out. */
export async function endAllLeases(catalogue: Catalogue): Promise<void> {
  await catalogue.updateTable('jobs').set({ lease_until_ms: 0 }).where('state', '=', 'running').execute()
}

/** What its last worker left behind and must not run again: canceled meanwhile, or out of attempts. */
async function endAbandoned(catalogue: Catalogue, nowMs: number): Promise<void> {
  await catalogue
    .updateTable('jobs')
    .set({
      state: sql<JobState>`case when is_cancel_requested = 1 then 'canceled' else 'failed' end`,
      error: sql<string>`case when is_cancel_requested = 1 then error else 'its process ended or stalled in the last attempt' end`,
      lease_owner: null,
      lease_until_ms: 0,
      finished_at_ms: nowMs,
    })
    .where((job) => isAbandoned(job, nowMs))
    .where((job) => job.or([job('is_cancel_requested', '=', 1), job('attempts', '>=', job.ref('max_attempts'))]))
    .execute()
}
