import { afterAll } from 'bun:test'
import { openPostgres } from '#catalogue/postgres/open-postgres.ts'
import { describeWith } from '../../test/kit/need-tool.ts'
import { type PostgresServer, startPostgres } from '../../test/kit/postgres.ts'
import { statisticsContract } from './statistics-contract.ts'

describeWith('statistics on PostgreSQL', ['initdb', 'postgres', 'psql'])('on a real server', () => {
  let server: PostgresServer | undefined
  statisticsContract('PostgreSQL', async () => {
    server = await startPostgres()
    return openPostgres(await server.createDatabase(), { maxConnections: 4 })
  })
  afterAll(() => server?.[Symbol.asyncDispose]())
})
