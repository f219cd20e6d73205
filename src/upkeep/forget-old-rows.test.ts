import { afterAll, beforeAll, expect, test } from 'bun:test'
import { addPulls, dayOf, keptDays } from '#catalogue/pulls.ts'
import type { Catalogue } from '#catalogue/schema.ts'
import { openSqlite } from '#catalogue/sqlite/open-sqlite.ts'
import { forgetOldRows } from './forget-old-rows.ts'

let catalogue: Catalogue
beforeAll(async () => {
  catalogue = await openSqlite(':memory:')
})
afterAll(() => catalogue.destroy())

test('pulls are kept for as many days as they count', async () => {
  const nowMs = 1_800_000_000_000
  const today = dayOf(nowMs)
  for (const age of [0, keptDays, keptDays + 1])
    await addPulls(catalogue, { channel: 'stable', day: today - age }, new Map([['sha256:a', 1]]))
  await forgetOldRows(catalogue, nowMs)
  const rows = await catalogue.selectFrom('pulls').select('day').orderBy('day').execute()
  expect(rows.map(({ day }) => today - day)).toEqual([keptDays, 0])
})
