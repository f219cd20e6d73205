import { afterAll, expect, test } from 'bun:test'
import { existsSync } from 'node:fs'
import { mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openSqlite } from '#catalogue/sqlite/open-sqlite.ts'
import { catalogueContract } from './catalogue-contract.ts'

const folder = await mkdtemp(join(tmpdir(), 'catalogue-'))
afterAll(() => rm(folder, { recursive: true, force: true }))
let count = 0
const newPath = () => join(folder, `${++count}`, 'catalogue.sqlite')

catalogueContract('SQLite', async () => ({
  canWriteAtOnce: false,
  async openEmpty() {
    const path = newPath()
    return { open: () => openSqlite(path) }
  },
  async [Symbol.asyncDispose]() {},
}))

test('the file and its journals are for their owner only, whatever the umask', async () => {
  const before = process.umask(0)
  try {
    const path = newPath()
    const db = await openSqlite(path)
    for (const file of [path, `${path}-wal`, `${path}-shm`]) {
      expect(existsSync(file)).toBe(true)
      expect((await stat(file)).mode & 0o777).toBe(0o600)
    }
    await db.destroy()
  } finally {
    process.umask(before)
  }
})

test('a commit is in the file when it returns', async () => {
  const path = newPath()
  const db = await openSqlite(path)
  await db.insertInto('repositories').values({ name: 'a', created_at_ms: 1 }).execute()
  // Another connection reads what a crash now would leave.
  const other = await openSqlite(path)
  expect(await other.selectFrom('repositories').select('name').execute()).toEqual([{ name: 'a' }])
  await other.destroy()
  await db.destroy()
})
