import { openSqlite } from '#catalogue/sqlite/open-sqlite.ts'
import { pullsContract } from './pulls-contract.ts'

pullsContract('SQLite', () => openSqlite(':memory:'))
