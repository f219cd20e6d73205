// Where a host stands, if somebody said. Whole numbers, because they are the same in both engines: a millionth of a degree is 11 cm.

import type { Kysely } from 'kysely'
import type { ColumnTypes } from './column-types.ts'

export async function up(db: Kysely<unknown>, types: ColumnTypes): Promise<void> {
  // One at a time: SQLite adds one column per statement.
  for (const name of ['latitude_microdegrees', 'longitude_microdegrees'])
    await db.schema
      .alterTable('hosts')
      .addColumn(name, types.integer as never)
      .execute()
}
