import { Database } from 'bun:sqlite'
import { closeSync, mkdirSync, openSync } from 'node:fs'
import { dirname } from 'node:path'
import {
  CompiledQuery,
  type DatabaseConnection,
  Kysely,
  SqliteDialect,
  type SqliteDialectConfig,
  SqliteDriver,
} from 'kysely'
import { sqliteTypes } from '#catalogue/migrations/column-types.ts'
import { migrate } from '#catalogue/migrations/migrate.ts'
import type { Catalogue, Schema } from '#catalogue/schema.ts'

/** Begins as a writer at once: a transaction that starts reading and then writes could be refused half-way. */
class ImmediateSqliteDriver extends SqliteDriver {
  override async beginTransaction(connection: DatabaseConnection): Promise<void> {
    await connection.executeQuery(CompiledQuery.raw('begin immediate'))
  }
}

class BunSqliteDialect extends SqliteDialect {
  readonly #config: SqliteDialectConfig
  constructor(config: SqliteDialectConfig) {
    super(config)
    this.#config = config
  }
  override createDriver(): SqliteDriver {
    return new ImmediateSqliteDriver(this.#config)
  }
}

/** bun:sqlite in the shape Kysely asks for; statements are compiled once and kept by Bun. */
function adapt(database: Database): ReturnType<typeof Object> & SqliteDialectConfig['database'] {
  return {
    close: () => database.close(),
    prepare(text: string) {
      const statement = database.query(text)
      return {
        reader: statement.columnNames.length > 0,
        all: (parameters: readonly unknown[]) => statement.all(...(parameters as never[])),
        run: (parameters: readonly unknown[]) => statement.run(...(parameters as never[])),
        iterate: (parameters: readonly unknown[]) => statement.iterate(...(parameters as never[])),
      }
    },
  } as never
}

/** Opens (and makes, 0600) the catalogue in one file. A commit is on the disk when it returns: WAL with synchronous FULL. */
export async function openSqlite(path: string): Promise<Catalogue> {
  if (path !== ':memory:') {
    mkdirSync(dirname(path), { recursive: true })
    // Before SQLite makes it: at no moment can others read it. Its journals take their mode from it.
    closeSync(openSync(path, 'a', 0o600))
  }
  const database = new Database(path, { create: true, readwrite: true })
  database.run('pragma busy_timeout = 5000')
  database.run('pragma journal_mode = wal')
  database.run('pragma synchronous = full')
  database.run('pragma foreign_keys = on')
  const catalogue = new Kysely<Schema>({ dialect: new BunSqliteDialect({ database: adapt(database) }) })
  await migrate(catalogue, sqliteTypes)
  return catalogue
}
