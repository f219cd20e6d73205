// A front door in a process of its own, whose memory and log can be looked at while it is being abused.

import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { WireOptions } from '#http/wire/acceptor.ts'
import { type RunningProcess, startProcess } from './process.ts'
import { waitUntil } from './wait-until.ts'

export type HostileTarget = AsyncDisposable & {
  readonly port: number
  /** The only host that it knows. */
  readonly hostUrl: string
  readonly process: RunningProcess
  residentBytes(): number
  /** What it had to tell its operator. */
  logged(): string[]
}

export async function startHostileTarget(limits: WireOptions['limits'] = {}): Promise<HostileTarget> {
  const folder = mkdtempSync(join(tmpdir(), 'hostile-'))
  const program = join(import.meta.dir, 'front-listener-program.ts')
  const server = startProcess(process.execPath, [program, JSON.stringify(limits)], { logFile: join(folder, 'out') })
  const lines = () => server.output().split('\n')
  const told = await waitUntil(() => JSON.parse(lines()[0]!) as { port: number; hostUrl: string }, {
    what: 'a front door',
  })
  return {
    ...told,
    process: server,
    residentBytes: () =>
      Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${server.pid}/status`, 'utf8'))?.[1]) * 1024,
    logged: () => lines().filter((line) => line.startsWith('LOGGED ')),
    async [Symbol.asyncDispose]() {
      await server.stop()
      rmSync(folder, { recursive: true })
    },
  }
}
