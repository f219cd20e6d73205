// What hosts say that they have. A check-in is claimed until a crawl of that host decides it.

import type { Catalogue, Reader, Schema, Tx } from './schema.ts'

export type CheckInSource = Schema['check_ins']['source']
export type CheckInState = Schema['check_ins']['state']

export type CheckInRow = {
  readonly hostId: number
  readonly channel: string
  /** No two of a host and channel share it. */
  readonly atMs: number
  readonly generation: number
  readonly source: CheckInSource
  readonly isPartial: boolean
  /** As the host's trace says. */
  readonly finishedAtMs: number | undefined
  readonly state: CheckInState
  readonly provenGeneration: number | undefined
  readonly reason: string | undefined
  /** JSON. */
  readonly evidence: string | undefined
  readonly decidedAtMs: number | undefined
  /** JSON. */
  readonly detail: string
}

export type NewCheckIn = Pick<
  CheckInRow,
  'hostId' | 'channel' | 'atMs' | 'generation' | 'source' | 'isPartial' | 'finishedAtMs' | 'detail'
>

/** How many of a host and channel are kept. */
export const keptCheckIns = 200

/** The host must be locked (lockHost): the time is moved on where another one has it already. */
export async function addCheckIn(tx: Tx, checkIn: NewCheckIn): Promise<CheckInRow> {
  const last = await findLastCheckIn(tx, checkIn.hostId, checkIn.channel)
  const row = await tx
    .insertInto('check_ins')
    .values({
      host_id: checkIn.hostId,
      channel: checkIn.channel,
      at_ms: Math.max(checkIn.atMs, (last?.atMs ?? 0) + 1),
      generation: checkIn.generation,
      source: checkIn.source,
      is_partial: checkIn.isPartial ? 1 : 0,
      finished_at_ms: checkIn.finishedAtMs ?? null,
      state: 'claimed',
      proven_generation: null,
      reason: null,
      evidence: null,
      decided_at_ms: null,
      detail: checkIn.detail,
    })
    .returningAll()
    .executeTakeFirstOrThrow()
  await dropOldest(tx, checkIn)
  return toRow(row)
}

async function dropOldest(tx: Tx, { hostId, channel }: Pick<CheckInRow, 'hostId' | 'channel'>): Promise<void> {
  const oldest = await tx
    .selectFrom('check_ins')
    .select('at_ms')
    .where('host_id', '=', hostId)
    .where('channel', '=', channel)
    .orderBy('at_ms', 'desc')
    .offset(keptCheckIns)
    .limit(1)
    .executeTakeFirst()
  if (!oldest) return
  await tx
    .deleteFrom('check_ins')
    .where('host_id', '=', hostId)
    .where('channel', '=', channel)
    .where('at_ms', '<=', oldest.at_ms)
    .execute()
}

/** Newest first. */
export async function listCheckIns(
  db: Reader,
  hostId: number,
  channel: string,
  filter: { readonly limit: number; readonly state?: CheckInState },
): Promise<CheckInRow[]> {
  let query = db
    .selectFrom('check_ins')
    .selectAll()
    .where('host_id', '=', hostId)
    .where('channel', '=', channel)
    .orderBy('at_ms', 'desc')
    .limit(filter.limit)
  if (filter.state) query = query.where('state', '=', filter.state)
  return (await query.execute()).map(toRow)
}

export async function findLastCheckIn(db: Reader, hostId: number, channel: string): Promise<CheckInRow | undefined> {
  return (await listCheckIns(db, hostId, channel, { limit: 1 }))[0]
}

/** Those of all channels since `sinceMs`, oldest first: when each was made. */
export async function listCheckInTimes(db: Reader, hostId: number, sinceMs: number): Promise<number[]> {
  const rows = await db
    .selectFrom('check_ins')
    .select('at_ms')
    .where('host_id', '=', hostId)
    .where('at_ms', '>', sinceMs)
    .orderBy('at_ms')
    .execute()
  return rows.map((row) => row.at_ms)
}

/** The latest time at which the host's traces said that a copy was complete. */
export async function findLastFinished(db: Reader, hostId: number, channel: string): Promise<number | undefined> {
  const row = await db
    .selectFrom('check_ins')
    .select((select) => select.fn.max('finished_at_ms').as('finished_at_ms'))
    .where('host_id', '=', hostId)
    .where('channel', '=', channel)
    .executeTakeFirst()
  return row?.finished_at_ms == null ? undefined : Number(row.finished_at_ms)
}

type CheckInKey = Pick<CheckInRow, 'hostId' | 'channel' | 'atMs'>

export async function saveFinished(tx: Tx, { hostId, channel, atMs }: CheckInKey, finishedAtMs: number): Promise<void> {
  await tx
    .updateTable('check_ins')
    .set({ finished_at_ms: finishedAtMs })
    .where('host_id', '=', hostId)
    .where('channel', '=', channel)
    .where('at_ms', '=', atMs)
    .execute()
}

export type Decision = {
  readonly state: 'accepted' | 'refused'
  readonly provenGeneration: number
  readonly reason: string
  /** JSON. */
  readonly evidence: string
  readonly decidedAtMs: number
}

/** False when it was decided before. */
export async function decideCheckIn(tx: Tx, key: CheckInKey, decision: Decision): Promise<boolean> {
  const done = await tx
    .updateTable('check_ins')
    .set({
      state: decision.state,
      proven_generation: decision.provenGeneration,
      reason: decision.reason,
      evidence: decision.evidence,
      decided_at_ms: decision.decidedAtMs,
    })
    .where('host_id', '=', key.hostId)
    .where('channel', '=', key.channel)
    .where('at_ms', '=', key.atMs)
    .where('state', '=', 'claimed')
    .executeTakeFirst()
  return done.numUpdatedRows > 0n
}

/** The newest of each host and channel stays: what was said before it must not be taken for news. */
export async function forgetCheckIns(db: Catalogue, beforeMs: number): Promise<void> {
  await db
    .deleteFrom('check_ins')
    .where('at_ms', '<', beforeMs)
    .where((where) =>
      where.exists(
        where
          .selectFrom('check_ins as newer')
          .select('newer.at_ms')
          .whereRef('newer.host_id', '=', 'check_ins.host_id')
          .whereRef('newer.channel', '=', 'check_ins.channel')
          .whereRef('newer.at_ms', '>', 'check_ins.at_ms'),
      ),
    )
    .execute()
}

function toRow(row: Schema['check_ins']): CheckInRow {
  return {
    hostId: row.host_id,
    channel: row.channel,
    atMs: row.at_ms,
    generation: row.generation,
    source: row.source,
    isPartial: row.is_partial === 1,
    finishedAtMs: row.finished_at_ms ?? undefined,
    state: row.state,
    provenGeneration: row.proven_generation ?? undefined,
    reason: row.reason ?? undefined,
    evidence: row.evidence ?? undefined,
    decidedAtMs: row.decided_at_ms ?? undefined,
    detail: row.detail,
  }
}
