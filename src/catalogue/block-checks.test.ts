import { openSqlite } from '#catalogue/sqlite/open-sqlite.ts'
import { blockChecksContract } from './block-checks-contract.ts'

blockChecksContract('SQLite', () => openSqlite(':memory:'))
