import { Kysely, PostgresDialect } from 'kysely'
import pg from 'pg'
import { postgresTypes } from '#catalogue/migrations/column-types.ts'
import { migrate } from '#catalogue/migrations/migrate.ts'
import type { Catalogue, Schema } from '#catalogue/schema.ts'

const int8 = 20

export async function openPostgres(url: string, options: { readonly maxConnections: number }): Promise<Catalogue> {
  const pool = new pg.Pool({
    connectionString: url,
    max: options.maxConnections,
    // Every integer of ours is below 2^53 (schema.ts), so int8 can be a number.
    types: {
      getTypeParser: (oid: number, format?: never) => (oid === int8 ? Number : pg.types.getTypeParser(oid, format)),
    } as never,
  })
  pool.on('error', () => undefined)
  const catalogue = new Kysely<Schema>({ dialect: new PostgresDialect({ pool: pool as never }) })
  await migrate(catalogue, postgresTypes)
  return catalogue
}
