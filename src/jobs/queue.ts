// Durable jobs on the catalogue: asked for, kept alive, ended, told of. A worker that dies loses its lease and another goes on
// (claim.ts), so every handler must be safe to run again from the start.

import { randomUUID } from 'node:crypto'
import { sql } from 'kysely'
import type { Catalogue, Reader, Schema, Tx } from '#catalogue/schema.ts'

export type JobState = Schema['jobs']['state']

export type Job = {
  readonly id: string
  readonly kind: string
  readonly payload: unknown
  readonly state: JobState
  readonly attempts: number
  readonly progress: unknown
  readonly result: unknown
  readonly error: string | undefined
  readonly isCancelRequested: boolean
  readonly runAtMs: number
  readonly createdAtMs: number
  readonly finishedAtMs: number | undefined
}

export type NewJob = {
  readonly kind: string
  readonly payload?: unknown
  /** A waiting job of the same kind and key takes this request in; it then runs at the earlier of the two times. */
  readonly dedupeKey?: string
  /** Of the jobs of a kind with the same one, only one runs at a time; the `dedupeKey` when it is not given. */
  readonly exclusiveKey?: string
  readonly runAtMs: number
  readonly maxAttempts?: number
}

export function toJob(row: Schema['jobs']): Job {
  return {
    id: row.id,
    kind: row.kind,
    payload: JSON.parse(row.payload),
    state: row.state,
    attempts: row.attempts,
    progress: row.progress === null ? undefined : JSON.parse(row.progress),
    result: row.result === null ? undefined : JSON.parse(row.result),
    error: row.error ?? undefined,
    isCancelRequested: row.is_cancel_requested === 1,
    runAtMs: row.run_at_ms,
    createdAtMs: row.created_at_ms,
    finishedAtMs: row.finished_at_ms ?? undefined,
  }
}

/** In the transaction of what it follows from, so that neither is without the other. Resolves to the id of the job that will run. */
export async function enqueue(tx: Tx, job: NewJob, nowMs: number): Promise<string> {
  const row = await tx
    .insertInto('jobs')
    .values({
      id: randomUUID(),
      kind: job.kind,
      dedupe_key: job.dedupeKey ?? null,
      exclusive_key: job.exclusiveKey ?? job.dedupeKey ?? null,
      payload: JSON.stringify(job.payload ?? null),
      state: 'waiting',
      attempts: 0,
      max_attempts: job.maxAttempts ?? 5,
      run_at_ms: job.runAtMs,
      lease_until_ms: 0,
      lease_owner: null,
      progress: null,
      result: null,
      error: null,
      is_cancel_requested: 0,
      created_at_ms: nowMs,
      finished_at_ms: null,
    })
    .onConflict((conflict) =>
      conflict.columns(['kind', 'dedupe_key']).where('state', '=', sql.lit('waiting')).doUpdateSet({
        run_at_ms: sql<number>`case when excluded.run_at_ms < jobs.run_at_ms then excluded.run_at_ms else jobs.run_at_ms end`,
      }),
    )
    .returning('id')
    .executeTakeFirstOrThrow()
  return row.id
}

export type Lease = { readonly owner: string; readonly leaseMs: number }

/** Extends the lease and stores progress. `lost`: another worker has it, stop; `cancel`: somebody asked for its end. */
export async function heartbeat(
  catalogue: Catalogue,
  id: string,
  lease: Lease,
  progress: unknown,
  nowMs: number,
): Promise<'held' | 'lost' | 'cancel'> {
  const row = await catalogue
    .updateTable('jobs')
    .set({
      lease_until_ms: nowMs + lease.leaseMs,
      ...(progress === undefined ? {} : { progress: JSON.stringify(progress) }),
    })
    .where('id', '=', id)
    .where('state', '=', 'running')
    .where('lease_owner', '=', lease.owner)
    .returning('is_cancel_requested')
    .executeTakeFirst()
  if (!row) return 'lost'
  return row.is_cancel_requested === 1 ? 'cancel' : 'held'
}

export type Outcome =
  | { readonly state: 'done'; readonly result: unknown }
  | { readonly state: 'failed'; readonly error: string }
  | { readonly state: 'canceled' }
  /** Back in the queue; `error` says why when it was a failure, and then the attempt counts. */
  | { readonly state: 'waiting'; readonly runAtMs: number; readonly error?: string }

/** False if the lease was lost meanwhile: then nothing is written. */
export async function settle(
  catalogue: Catalogue,
  id: string,
  lease: Lease,
  outcome: Outcome,
  nowMs: number,
): Promise<boolean> {
  const done = await catalogue
    .updateTable('jobs')
    .set({
      lease_owner: null,
      lease_until_ms: 0,
      ...(outcome.state === 'waiting' ? again(outcome, nowMs) : end(outcome, nowMs)),
    })
    .where('id', '=', id)
    .where('state', '=', 'running')
    .where('lease_owner', '=', lease.owner)
    .executeTakeFirst()
  return done.numUpdatedRows > 0n
}

function end(outcome: Exclude<Outcome, { state: 'waiting' }>, nowMs: number) {
  return {
    state: outcome.state,
    finished_at_ms: nowMs,
    ...(outcome.state === 'done' ? { result: JSON.stringify(outcome.result ?? null), error: null } : {}),
    ...(outcome.state === 'failed' ? { error: outcome.error } : {}),
  }
}

/** A cancel that was asked for meanwhile is heeded here: nobody would be there to hear of it. */
function again(outcome: Extract<Outcome, { state: 'waiting' }>, nowMs: number) {
  return {
    state: sql<JobState>`case when is_cancel_requested = 1 then 'canceled' else 'waiting' end`,
    finished_at_ms: sql<number | null>`case when is_cancel_requested = 1 then ${sql.lit(nowMs)} else null end`,
    run_at_ms: outcome.runAtMs,
    error: outcome.error ?? null,
    // A later request may wait under the same key by now; this one then keeps its place without the key.
    dedupe_key: null,
    ...(outcome.error === undefined ? { attempts: sql<number>`attempts - 1` } : {}),
  }
}

/** A waiting job ends at once; a running one is told at its next heartbeat. False: it is unknown or over. */
export async function cancel(catalogue: Catalogue, id: string, nowMs: number): Promise<boolean> {
  return await catalogue.transaction().execute(async (tx) => {
    const ended = await tx
      .updateTable('jobs')
      .set({ state: 'canceled', finished_at_ms: nowMs, is_cancel_requested: 1 })
      .where('id', '=', id)
      .where('state', '=', 'waiting')
      .executeTakeFirst()
    if (ended.numUpdatedRows > 0n) return true
    const asked = await tx
      .updateTable('jobs')
      .set({ is_cancel_requested: 1 })
      .where('id', '=', id)
      .where('state', '=', 'running')
      .executeTakeFirst()
    return asked.numUpdatedRows > 0n
  })
}

export async function findJob(db: Reader, id: string): Promise<Job | undefined> {
  const row = await db.selectFrom('jobs').selectAll().where('id', '=', id).executeTakeFirst()
  return row && toJob(row)
}

/** Newest first. */
export async function listJobs(
  db: Reader,
  filter: { readonly state?: JobState; readonly limit: number },
): Promise<Job[]> {
  let query = db.selectFrom('jobs').selectAll().orderBy('created_at_ms', 'desc').orderBy('id').limit(filter.limit)
  if (filter.state) query = query.where('state', '=', filter.state)
  return (await query.execute()).map(toJob)
}

/** The keys whose job runs now. */
export async function listRunningKeys(db: Reader, kind: string): Promise<ReadonlySet<string>> {
  const rows = await db
    .selectFrom('jobs')
    .select('exclusive_key')
    .where('kind', '=', kind)
    .where('state', '=', 'running')
    .execute()
  return new Set(rows.map((row) => row.exclusive_key).filter((key) => key !== null))
}

/** When the next waiting job of these kinds is due. */
export async function nextDueMs(db: Reader, kinds: readonly string[]): Promise<number | undefined> {
  const row = await db
    .selectFrom('jobs')
    .select('run_at_ms')
    .where('kind', 'in', kinds)
    .where('state', '=', 'waiting')
    .orderBy('run_at_ms')
    .limit(1)
    .executeTakeFirst()
  return row?.run_at_ms
}

export function maxAttemptsOf(db: Reader, id: string): Promise<{ max_attempts: number; attempts: number }> {
  return db.selectFrom('jobs').select(['max_attempts', 'attempts']).where('id', '=', id).executeTakeFirstOrThrow()
}

/** Jobs that are over. */
export async function forgetJobs(
  catalogue: Catalogue,
  which: { readonly finishedBeforeMs: number; readonly kind?: string },
): Promise<void> {
  let query = catalogue.deleteFrom('jobs').where('finished_at_ms', '<', which.finishedBeforeMs)
  if (which.kind !== undefined) query = query.where('kind', '=', which.kind)
  await query.execute()
}
