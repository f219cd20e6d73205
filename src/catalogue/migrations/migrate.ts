import type { Kysely } from 'kysely'
import { Migrator } from 'kysely/migration'
import type { Catalogue } from '#catalogue/schema.ts'
import * as first from './0001-first.ts'
import * as pulls from './0002-pulls.ts'
import * as checkIns from './0003-check-ins.ts'
import * as blockChecks from './0004-block-checks.ts'
import * as statistics from './0005-statistics.ts'
import * as hostPlaces from './0007-host-places.ts'
import type { ColumnTypes } from './column-types.ts'

type Migration = { up(db: Kysely<unknown>, types: ColumnTypes): Promise<void> }

/** In order, for ever: a migration that has been released is never edited. */
const migrations: Readonly<Record<string, Migration>> = {
  '0001-first': first,
  '0002-pulls': pulls,
  '0003-check-ins': checkIns,
  '0004-block-checks': blockChecks,
  '0005-statistics': statistics,
  '0007-host-places': hostPlaces,
}

export async function migrate(catalogue: Catalogue, types: ColumnTypes): Promise<void> {
  const migrator = new Migrator({
    db: catalogue,
    provider: {
      getMigrations: async () =>
        Object.fromEntries(
          Object.entries(migrations).map(([name, one]) => [name, { up: (db: Kysely<unknown>) => one.up(db, types) }]),
        ),
    },
  })
  const { error, results } = await migrator.migrateToLatest()
  if (error) {
    const failed = results?.find((one) => one.status === 'Error')?.migrationName ?? 'the first'
    throw new Error(`the catalogue could not be brought up to date; migration ${failed} failed`, { cause: error })
  }
}
