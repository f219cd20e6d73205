import { openPostgres } from '#catalogue/postgres/open-postgres.ts'
import { describeWith } from '../../test/kit/need-tool.ts'
import { startPostgres } from '../../test/kit/postgres.ts'
import { jobsContract } from './jobs-contract.ts'

describeWith('jobs on PostgreSQL', ['initdb', 'postgres', 'psql'])('on a real server', () => {
  jobsContract('PostgreSQL', async () => {
    const server = await startPostgres()
    const url = await server.createDatabase()
    const connections = await Promise.all([1, 2, 3].map(() => openPostgres(url, { maxConnections: 6 })))
    return {
      connections,
      async [Symbol.asyncDispose]() {
        for (const one of connections) await one.destroy()
        await server[Symbol.asyncDispose]()
      },
    }
  })
})
