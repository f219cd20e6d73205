import { openSqlite } from '#catalogue/sqlite/open-sqlite.ts'
import { overviewContract } from './overview-contract.ts'

overviewContract('SQLite', () => openSqlite(':memory:'))
