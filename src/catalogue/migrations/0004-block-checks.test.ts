import { expect, test } from 'bun:test'
import { type Kysely, sql } from 'kysely'
import { findBlockChecks, listTreeBlobsSince } from '#catalogue/block-checks.ts'
import { openSqlite } from '#catalogue/sqlite/open-sqlite.ts'
import { makeDigest } from '#oci/digest.ts'
import { up } from './0004-block-checks.ts'
import { sqliteTypes } from './column-types.ts'

test('a catalogue of before has no checks, and its blobs are found to make them of', async () => {
  const db = await openSqlite(':memory:')
  await sql`drop table block_checks`.execute(db)
  await sql`drop index tree_blobs_by_channel_generation_digest`.execute(db)
  await sql`create index tree_blobs_by_channel_generation on tree_blobs (channel, generation)`.execute(db)
  const digest = makeDigest('sha256', 'a'.repeat(64))
  await db.insertInto('tree_blobs').values({ channel: 'stable', digest, size_bytes: 9, generation: 2 }).execute()
  await up(db as unknown as Kysely<unknown>, sqliteTypes)
  expect(await findBlockChecks(db, 'any', [digest])).toEqual(new Map())
  expect(await listTreeBlobsSince(db, 'stable', { generation: 0, digest: '' }, 9)).toEqual([
    { digest, sizeBytes: 9, generation: 2 },
  ])
  await db.destroy()
})

test('the blobs of a large generation are read by index, not sorted for each page', async () => {
  const db = await openSqlite(':memory:')
  const plan = await sql<{
    detail: string
  }>`explain query plan select digest from tree_blobs where channel = 'a' and (generation, digest) > (1, 'b') order by generation, digest limit 5`.execute(
    db,
  )
  expect(plan.rows.map(({ detail }) => detail)).toEqual([
    expect.stringContaining('INDEX tree_blobs_by_channel_generation_digest (channel=? AND (generation,digest)>'),
  ])
  await db.destroy()
})
