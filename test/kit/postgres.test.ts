import { expect, test } from 'bun:test'
import { describeWith } from './need-tool.ts'
import { startPostgres } from './postgres.ts'
import { mustRun } from './process.ts'
import { getTool } from './tool.ts'

describeWith('the PostgreSQL starter', ['initdb', 'postgres', 'psql'])('the PostgreSQL starter', () => {
  test('makes separate durable databases and leaves nothing', async () => {
    let url = ''
    const ask = (sql: string) => mustRun(getTool('psql'), ['-XAtq', '-d', url, '-c', sql])
    {
      await using server = await startPostgres()
      url = await server.createDatabase()
      await ask('create table a (b text)')
      expect(
        await ask("select current_setting('fsync'), datcollate from pg_database where datname = current_database()"),
      ).toBe('on|C\n')
      url = await server.createDatabase()
      expect(await ask("select count(*) from pg_tables where tablename = 'a'")).toBe('0\n')
    }
    await expect(ask('select 1')).rejects.toThrow()
  })
})
