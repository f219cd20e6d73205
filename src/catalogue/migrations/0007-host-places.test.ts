import { expect, test } from 'bun:test'
import { type Kysely, sql } from 'kysely'
import { addHost, addSite, listHosts, updateHost } from '#catalogue/hosts.ts'
import { openSqlite } from '#catalogue/sqlite/open-sqlite.ts'
import { hostFacts } from '../../../test/kit/host-facts.ts'
import { up } from './0007-host-places.ts'
import { sqliteTypes } from './column-types.ts'

test('hosts of before stand nowhere until somebody says where', async () => {
  const db = await openSqlite(':memory:')
  const facts = hostFacts('mirror.example')
  const id = await db.transaction().execute(async (tx) => {
    const site = await addSite(tx, { name: 's', organisationUrl: undefined, isPrivate: false, contact: undefined }, 1)
    return (await addHost(tx, site!.id, facts, 1))!
  })
  for (const column of ['latitude_microdegrees', 'longitude_microdegrees'])
    await sql`alter table hosts drop column ${sql.ref(column)}`.execute(db)
  await up(db as unknown as Kysely<unknown>, sqliteTypes)
  const place = async () => {
    const [host] = await listHosts(db)
    return [host!.latitude, host!.longitude]
  }
  expect(await place()).toEqual([undefined, undefined])
  await db.transaction().execute((tx) => updateHost(tx, id, { ...facts, latitude: -33.9249, longitude: 0 }, 2))
  expect(await place()).toEqual([-33.9249, 0])
  await db.destroy()
})
