// Keyed checksums of blobs that travel. Blobs of before have none until the mirror role has made them.

import type { Kysely } from 'kysely'
import type { ColumnTypes } from './column-types.ts'

export async function up(db: Kysely<unknown>, { text, bytes }: ColumnTypes): Promise<void> {
  await db.schema
    .createTable('block_checks')
    .addColumn('digest', text as never, (column) => column.notNull().primaryKey())
    .addColumn('key_id', text as never, (column) => column.notNull())
    .addColumn('checks', bytes as never, (column) => column.notNull())
    .execute()
  // Trees are read page by page in this order; sorting a generation of a million blobs for each page would stall everybody.
  await db.schema
    .createIndex('tree_blobs_by_channel_generation_digest')
    .on('tree_blobs')
    .columns(['channel', 'generation', 'digest'])
    .execute()
  await db.schema.dropIndex('tree_blobs_by_channel_generation').execute()
}
