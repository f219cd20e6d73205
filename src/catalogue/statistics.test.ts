import { openSqlite } from '#catalogue/sqlite/open-sqlite.ts'
import { statisticsContract } from './statistics-contract.ts'

statisticsContract('SQLite', () => openSqlite(':memory:'))
