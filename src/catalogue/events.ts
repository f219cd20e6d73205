// The outbox: an event is written in the transaction that it tells of; one sequencer gives it its place in the stream after the commit,
// since a serial column would lose events to transactions that are still open.

import type { Catalogue, Reader, Tx } from './schema.ts'

export type EventType =
  | 'manifest.pushed'
  | 'manifest.deleted'
  | 'tag.deleted'
  | 'blob.deleted'
  | 'promotion.applied'
  | 'rollback.applied'
  | 'generation.published'
  | 'host.changed'
  | 'host.check-in.accepted'
  | 'host.check-in.refused'

export type Event = {
  readonly sequence: number
  readonly id: string
  readonly type: EventType
  readonly subject: string
  readonly data: unknown
  readonly atMs: number
}

export async function emit(
  tx: Tx,
  event: { type: EventType; subject: string; data: unknown; atMs: number },
): Promise<void> {
  await tx
    .insertInto('events')
    .values({
      // Ordered by time, so that events of one millisecond keep the order in which they were told.
      id: Bun.randomUUIDv7(),
      sequence: null,
      type: event.type,
      subject: event.subject,
      data: JSON.stringify(event.data),
      at_ms: event.atMs,
    })
    .execute()
}

/** Gives every committed event without a place the next one; tells how many. Only one process runs this at a time. */
export async function sequenceEvents(catalogue: Catalogue): Promise<number> {
  return await catalogue.transaction().execute(async (tx) => {
    const waiting = await tx
      .selectFrom('events')
      .select('id')
      .where('sequence', 'is', null)
      .orderBy('at_ms')
      .orderBy('id')
      .limit(1000)
      .execute()
    if (waiting.length === 0) return 0
    const last = await tx
      .selectFrom('events')
      .select((select) => select.fn.max('sequence').as('sequence'))
      .executeTakeFirst()
    let next = Number(last?.sequence ?? 0)
    for (const { id } of waiting)
      await tx
        .updateTable('events')
        .set({ sequence: ++next })
        .where('id', '=', id)
        .where('sequence', 'is', null)
        .execute()
    return waiting.length
  })
}

export async function listEvents(db: Reader, after: number, limit: number): Promise<Event[]> {
  const rows = await db
    .selectFrom('events')
    .selectAll()
    .where('sequence', '>', after)
    .orderBy('sequence')
    .limit(limit)
    .execute()
  return rows.map((row) => ({
    sequence: row.sequence!,
    id: row.id,
    type: row.type as EventType,
    subject: row.subject,
    data: JSON.parse(row.data),
    atMs: row.at_ms,
  }))
}
