// Who was answered what, by hour, day and month; and up to where the reports of each front door were taken.

import type { Kysely } from 'kysely'
import type { ColumnTypes } from './column-types.ts'

const numbers = [
  'redirects',
  'redirected_bytes',
  'manifests',
  'manifest_bytes',
  'packed',
  'packed_bytes',
  'origin',
  'origin_bytes',
  'streams',
  'streamed_bytes',
  'told',
  'refused',
  'held',
] as const

export async function up(db: Kysely<unknown>, { text, integer }: ColumnTypes): Promise<void> {
  let table = db.schema
    .createTable('statistics')
    .addColumn('channel', text as never, (column) => column.notNull())
    .addColumn('kind', text as never, (column) => column.notNull())
    .addColumn('start_ms', integer as never, (column) => column.notNull())
    .addColumn('span', text as never, (column) => column.notNull())
    .addColumn('subject', text as never, (column) => column.notNull())
  for (const name of numbers) table = table.addColumn(name, integer as never, (column) => column.notNull())
  await table
    .addPrimaryKeyConstraint('statistics_key', ['channel', 'kind', 'start_ms', 'span', 'subject'] as never)
    .execute()
  await db.schema
    .createTable('report_sources')
    .addColumn('source', text as never, (column) => column.primaryKey())
    .addColumn('sequence', integer as never, (column) => column.notNull())
    .addColumn('at_ms', integer as never, (column) => column.notNull())
    .execute()
}
