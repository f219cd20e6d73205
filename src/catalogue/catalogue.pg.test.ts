import { afterAll, beforeAll, expect, test } from 'bun:test'
import { openPostgres } from '#catalogue/postgres/open-postgres.ts'
import type { Digest } from '#oci/digest.ts'
import type { RepositoryName } from '#oci/name.ts'
import { describeWith } from '../../test/kit/need-tool.ts'
import { type PostgresServer, startPostgres } from '../../test/kit/postgres.ts'
import { catalogueContract } from './catalogue-contract.ts'
import { appendChanges } from './channels.ts'
import { emit, listEvents, sequenceEvents } from './events.ts'
import { ensureRepository } from './repositories.ts'
import type { Catalogue } from './schema.ts'

describeWith('the catalogue on PostgreSQL', ['initdb', 'postgres', 'psql'])('on a real server', () => {
  catalogueContract('PostgreSQL', async () => {
    const server = await startPostgres()
    return {
      canWriteAtOnce: true,
      async openEmpty() {
        const url = await server.createDatabase()
        return { open: () => openPostgres(url, { maxConnections: 8 }) }
      },
      [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
    }
  })

  let server: PostgresServer
  let db: Catalogue
  beforeAll(async () => {
    server = await startPostgres()
    db = await openPostgres(await server.createDatabase(), { maxConnections: 8 })
  }, 60_000)
  afterAll(async () => {
    await db?.destroy()
    await server?.[Symbol.asyncDispose]()
  })

  test('an event whose transaction commits late is not skipped by a reader who saw later ones', async () => {
    const seen: string[] = []
    let after = 0
    const read = async () => {
      await sequenceEvents(db)
      for (const event of await listEvents(db, after, 100)) {
        seen.push(event.subject)
        after = event.sequence
      }
    }
    const late = await db.startTransaction().execute()
    await emit(late, { type: 'host.changed', subject: 'late', data: {}, atMs: 1 })
    await db.transaction().execute((tx) => emit(tx, { type: 'host.changed', subject: 'early', data: {}, atMs: 2 }))
    await read()
    expect(seen).toEqual(['early'])
    await late.commit().execute()
    await read()
    expect(seen).toEqual(['early', 'late'])
    expect((await listEvents(db, 0, 10)).map((event) => event.sequence)).toEqual([1, 2])
  })

  test('several sequencers at once leave no gap and no double', async () => {
    for (let round = 0; round < 5; round++) {
      await db.transaction().execute(async (tx) => {
        for (let i = 0; i < 20; i++) await emit(tx, { type: 'host.changed', subject: 'x', data: {}, atMs: 3 })
      })
      await Promise.all([1, 2, 3, 4].map(() => sequenceEvents(db)))
    }
    const sequences = (await listEvents(db, 0, 1000)).map((event) => event.sequence)
    expect(sequences).toEqual(Array.from({ length: 102 }, (_, i) => i + 1))
  })

  test('two acts on the same repositories in opposite order wait for each other and both happen', async () => {
    const ids = await db
      .transaction()
      .execute(async (tx) => [
        await ensureRepository(tx, 'one' as RepositoryName, 1),
        await ensureRepository(tx, 'two' as RepositoryName, 1),
      ])
    const act = (id: string) =>
      db.transaction().execute(async (tx) => {
        for (const repositoryId of ids) {
          const digest = `sha256:${id.repeat(64)}` as Digest
          await appendChanges(tx, { repositoryId, channel: 'stable' }, [{ key: 't', digest }], { id, atMs: 1 })
        }
      })
    await Promise.all(['a', 'b', 'c', 'd', 'e', 'f'].map(act))
    const tags = await db.selectFrom('tags').select('digest').execute()
    // The last act set both: no reader ever sees half of one.
    expect(new Set(tags.map((row) => row.digest)).size).toBe(1)
  })
})
