import { openSqlite } from '#catalogue/sqlite/open-sqlite.ts'
import { mirrorRecordsContract } from './mirror-records-contract.ts'

mirrorRecordsContract('SQLite', () => openSqlite(':memory:'))
