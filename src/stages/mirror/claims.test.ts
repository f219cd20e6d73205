import { openSqlite } from '#catalogue/sqlite/open-sqlite.ts'
import { claimsContract } from './claims-contract.ts'

claimsContract('SQLite', () => openSqlite(':memory:'))
