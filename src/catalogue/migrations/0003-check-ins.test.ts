import { expect, test } from 'bun:test'
import { type Kysely, sql } from 'kysely'
import { listCheckIns } from '#catalogue/check-ins.ts'
import { openSqlite } from '#catalogue/sqlite/open-sqlite.ts'
import { up } from './0003-check-ins.ts'
import { sqliteTypes } from './column-types.ts'

const added = [
  'source',
  'is_partial',
  'state',
  'finished_at_ms',
  'proven_generation',
  'reason',
  'evidence',
  'decided_at_ms',
]

test('check-ins of before are claims of the API that the next crawl decides', async () => {
  const db = await openSqlite(':memory:')
  for (const column of added) await sql`alter table check_ins drop column ${sql.ref(column)}`.execute(db)
  await sql`insert into check_ins (host_id, channel, generation, at_ms, detail) values (1, 'stable', 7, 5, '{}')`.execute(
    db,
  )
  await up(db as unknown as Kysely<unknown>, sqliteTypes)
  expect(await listCheckIns(db, 1, 'stable', { limit: 9 })).toEqual([
    {
      hostId: 1,
      channel: 'stable',
      atMs: 5,
      generation: 7,
      source: 'api',
      isPartial: false,
      finishedAtMs: undefined,
      state: 'claimed',
      provenGeneration: undefined,
      reason: undefined,
      evidence: undefined,
      decidedAtMs: undefined,
      detail: '{}',
    },
  ])
  await db.destroy()
})
