import { afterAll, beforeAll, expect, test } from 'bun:test'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sql } from 'kysely'
import { appendChanges } from '#catalogue/channels.ts'
import { openPostgres } from '#catalogue/postgres/open-postgres.ts'
import { findRepositoryId } from '#catalogue/repositories.ts'
import type { RepositoryName } from '#oci/name.ts'
import { describeWith } from '../../../test/kit/need-tool.ts'
import { type PostgresServer, startPostgres } from '../../../test/kit/postgres.ts'
import { openReleaseLine, type ReleaseLine } from '../../../test/kit/release-line.ts'
import { contentOf, expectedContent, readTree } from '../../../test/kit/tree-reading.ts'

describeWith('two managers on one PostgreSQL', ['initdb', 'postgres', 'psql'])('two managers on one PostgreSQL', () => {
  let folder: string
  let server: PostgresServer
  let one: ReleaseLine
  let two: ReleaseLine
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'promote-pg-'))
    server = await startPostgres()
    const url = await server.createDatabase()
    const openCatalogue = () => openPostgres(url, { maxConnections: 6 })
    one = await openReleaseLine(folder, { openCatalogue })
    two = await openReleaseLine(folder, { openCatalogue })
  }, 60_000)
  afterAll(async () => {
    for (const line of [one, two]) await line?.[Symbol.asyncDispose]()
    await server?.[Symbol.asyncDispose]()
    await rm(folder, { recursive: true, force: true })
  })

  test('the same request under one key, sent to both at once, is one promotion', async () => {
    await one.push('key', { tags: ['t'] })
    const both = await Promise.all(
      [one, two, one, two].map((line) => line.promote(['key:t'], { idempotencyKey: 'the key' })),
    )
    expect(new Set(both.map((result) => JSON.stringify(result))).size).toBe(1)
    const acts = await one.catalogue.selectFrom('acts').select('id').where('kind', '=', 'promote').execute()
    expect(acts.map((act) => act.id)).toEqual([both[0]!.id])
  })

  test('the same rollback under one key, sent to both at once, goes back once', async () => {
    for (const note of ['1', '2', '3']) {
      await one.push('back', { tags: ['t'], note })
      await one.promote(['back:t'])
    }
    const more = { idempotencyKey: 'back' }
    const both = await Promise.all([one, two, one, two].map((line) => line.rollback(['back'], more)))
    expect(new Set(both.map((result) => JSON.stringify(result))).size).toBe(1)
    expect(both[0]!.repositories[0]!.version).toBe(4)
  })

  test('promotions of the same repositories in any order all happen, each whole', async () => {
    const names = ['x', 'y', 'z']
    for (let i = 0; i < 6; i++) for (const name of names) await one.push(name, { tags: [`v${i}`], note: `${i}` })
    const promoting = Array.from({ length: 6 }, (_, i) => {
      const order = i % 2 === 0 ? names : [...names].reverse()
      return (i % 2 === 0 ? one : two).promote(
        order.map((name) => `${name}:v${i}`),
        { tags: ['live' as never] },
      )
    })
    const results = await Promise.all(promoting)
    for (const name of names) {
      const versions = results.map(
        (result) => result.repositories.find((target) => target.repository === name)!.version,
      )
      expect(versions.sort()).toEqual([1, 2, 3, 4, 5, 6])
    }
    // Whoever was last in one repository was last in all of them.
    const acts = await one.catalogue
      .selectFrom('tag_log')
      .select('act')
      .where('key', '=', 'live')
      .where('version', '=', 6)
      .where('channel', '=', 'stable')
      .execute()
    expect(new Set(acts.map((row) => row.act)).size).toBe(1)
  })

  test('a rollback that was planned on what then moved is refused', async () => {
    const digest = await one.push('moving', { tags: ['t'] })
    await one.promote(['moving:t'])
    const repositoryId = (await findRepositoryId(one.catalogue, 'moving' as RepositoryName))!
    const other = await one.catalogue.startTransaction().execute()
    await appendChanges(other, { repositoryId, channel: 'stable' }, [{ key: 'u', digest }], { id: 'other', atMs: 1 })
    // It plans on version 1, which is all it can see, and waits for the log, which the other one holds.
    const rolling = two.rollback(['moving', 0])
    const settled = rolling.then(
      () => 'rolled back',
      (error) => error.message,
    )
    await waitForLock(one)
    await other.commit().execute()
    expect(await settled).toContain('moving changed in stable meanwhile; try again')
  })

  test('what was promoted is published as the log says', async () => {
    await one.publish()
    const held = await readTree(one.treeOf('stable'))
    await two.push('late', { tags: ['t'] })
    await two.promote(['late:t'])
    await two.rollback(['x', 2])
    expect(await two.publish()).toMatchObject({ generation: 2, isNew: true })
    const { publication } = await readTree(one.treeOf('stable'), held)
    expect(await contentOf(publication)).toEqual(await expectedContent(one, 'stable', 2))
  })
})

/** Until some session waits for a lock. */
async function waitForLock({ catalogue }: ReleaseLine): Promise<void> {
  for (;;) {
    const { rows } = await sql`select 1 from pg_stat_activity where wait_event_type = 'Lock'`.execute(catalogue)
    if (rows.length > 0) return
  }
}
