import { openSqlite } from '#catalogue/sqlite/open-sqlite.ts'
import { jobsContract } from './jobs-contract.ts'

jobsContract('SQLite', async () => {
  const db = await openSqlite(':memory:')
  return { connections: [db], [Symbol.asyncDispose]: () => db.destroy() }
})
