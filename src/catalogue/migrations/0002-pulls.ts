import type { Kysely } from 'kysely'
import type { ColumnTypes } from './column-types.ts'

export async function up(db: Kysely<unknown>, { text, integer }: ColumnTypes): Promise<void> {
  await db.schema
    .createTable('pulls')
    .addColumn('channel', text as never, (column) => column.notNull())
    .addColumn('digest', text as never, (column) => column.notNull())
    .addColumn('day', integer as never, (column) => column.notNull())
    .addColumn('count', integer as never, (column) => column.notNull())
    .addPrimaryKeyConstraint('pulls_key', ['channel', 'digest', 'day'] as never)
    .execute()
  await db.schema.createIndex('pulls_by_day').on('pulls').columns(['day']).execute()
}
