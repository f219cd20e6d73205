// A PostgreSQL server of a test's own: fresh folder, free port, loopback only, durable as in production, gone afterwards.

import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { findFreePort } from './free-port.ts'
import { mustRun, runProgram, startProcess } from './process.ts'
import { getTool } from './tool.ts'
import { waitUntil } from './wait-until.ts'

export type PostgresServer = AsyncDisposable & {
  /** Of the database `postgres`. */
  readonly url: string
  /** Makes an empty database and resolves to its URL. */
  createDatabase(): Promise<string>
}

const isRoot = process.getuid?.() === 0

/** PostgreSQL refuses to run as root; root becomes the user that the package made, in the same process. */
function asServerUser(command: string, args: readonly string[]): readonly [string, readonly string[]] {
  if (!isRoot) return [command, args]
  return ['setpriv', ['--reuid=postgres', '--regid=postgres', '--clear-groups', '--', command, ...args]]
}

async function initialise(folder: string): Promise<string> {
  const data = join(folder, 'data')
  await chmod(folder, 0o711)
  await mustRun('install', ['-d', '-m', '0700', ...(isRoot ? ['-o', 'postgres', '-g', 'postgres'] : []), data])
  const options = ['-D', data, '-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--no-locale', '--no-sync']
  await mustRun(...asServerUser(getTool('initdb'), options), { cwd: folder })
  return data
}

function serverOptions(data: string, port: number): string[] {
  const settings = ['listen_addresses=127.0.0.1', `port=${port}`, 'unix_socket_directories=', 'fsync=on']
  return ['-D', data, ...settings.flatMap((setting) => ['-c', setting])]
}

export async function startPostgres(): Promise<PostgresServer> {
  const folder = await mkdtemp(join(tmpdir(), 'flotilla-postgres-'))
  const data = await initialise(folder)
  const port = await findFreePort()
  const [program, args] = asServerUser(getTool('postgres'), serverOptions(data, port))
  const server = startProcess(program, args, { cwd: folder, logFile: join(folder, 'log') })
  const urlOf = (database: string) => `postgres://postgres@127.0.0.1:${port}/${database}`
  const psql = (sql: string) => ['-X', '-q', '-d', urlOf('postgres'), '-c', sql]
  await waitUntil(
    async () => {
      if (!server.isRunning()) throw new Error(server.output())
      return (await runProgram(getTool('psql'), psql('select 1'))).code === 0
    },
    { what: 'PostgreSQL answers', limitMs: 30_000, everyMs: 50 },
  )
  let made = 0
  return {
    url: urlOf('postgres'),
    async createDatabase() {
      made += 1
      const name = `test_${made}`
      await mustRun(getTool('psql'), psql(`create database ${name} template template0 lc_collate 'C' lc_ctype 'C'`))
      return urlOf(name)
    },
    async [Symbol.asyncDispose]() {
      server.signal('SIGINT') // fast shutdown: sessions are ended, the files stay whole
      await server.exited
      await rm(folder, { recursive: true, force: true })
    },
  }
}
