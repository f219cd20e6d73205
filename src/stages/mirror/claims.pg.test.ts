import { afterAll } from 'bun:test'
import { openPostgres } from '#catalogue/postgres/open-postgres.ts'
import { describeWith } from '../../../test/kit/need-tool.ts'
import { type PostgresServer, startPostgres } from '../../../test/kit/postgres.ts'
import { claimsContract } from './claims-contract.ts'

describeWith('claims on PostgreSQL', ['initdb', 'postgres', 'psql'])('on a real server', () => {
  let server: PostgresServer | undefined
  claimsContract('PostgreSQL', async () => {
    server = await startPostgres()
    return openPostgres(await server.createDatabase(), { maxConnections: 4 })
  })
  afterAll(() => server?.[Symbol.asyncDispose]())
})
