// A check-in is a claim until a crawl has proven or refuted it: where it came from, and what became of it.

import type { Kysely } from 'kysely'
import type { ColumnTypes } from './column-types.ts'

export async function up(db: Kysely<unknown>, types: ColumnTypes): Promise<void> {
  const required = [
    ['source', types.text, 'api'],
    ['is_partial', types.integer, 0],
    ['state', types.text, 'claimed'],
  ] as const
  // One at a time: SQLite adds one column per statement.
  for (const [name, type, standard] of required)
    await db.schema
      .alterTable('check_ins')
      .addColumn(name, type as never, (column) => column.notNull().defaultTo(standard))
      .execute()
  const optional = [
    ['finished_at_ms', types.integer],
    ['proven_generation', types.integer],
    ['reason', types.text],
    ['evidence', types.text],
    ['decided_at_ms', types.integer],
  ] as const
  for (const [name, type] of optional)
    await db.schema
      .alterTable('check_ins')
      .addColumn(name, type as never)
      .execute()
}
