// The two registries side by side, each pinned to the server core when it measures; and what a client must show to be let in.

import { randomBytes } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { startDockerRegistry } from '../kit/docker-registry.ts'
import { startFlotilla } from '../kit/flotilla.ts'
import { authorize } from '../kit/registry-token.ts'

export type BenchServer = AsyncDisposable & {
  readonly name: 'flotilla' | 'docker-registry'
  readonly port: number
  readonly pid: number
  /** Where released manifests are read, when that is another listener. */
  readonly frontPort: number | undefined
  /** The header line a client of this repository sends, with its line end; empty when nobody asks for one. */
  authorize(repository: string): Promise<string>
  run?: (...args: string[]) => Promise<string>
}

const onServerCore = ['taskset', '-c', '0']

export async function startOurs(folder: string): Promise<BenchServer> {
  const adminToken = randomBytes(24).toString('hex')
  const env = { FLOTILLA_ADMIN_TOKEN: adminToken, FLOTILLA_TOKEN: adminToken }
  const flotilla = await startFlotilla({ folder, before: onServerCore, env })
  return {
    name: 'flotilla',
    port: Number(flotilla.address('registry').split(':')[1]),
    frontPort: Number(flotilla.address('frontdoor').split(':')[1]),
    pid: flotilla.process.pid,
    async authorize(repository) {
      const login = { user: 'admin', password: adminToken }
      return `Authorization: ${await authorize({ base: flotilla.url('registry'), login }, repository)}\r\n`
    },
    run: flotilla.run,
    [Symbol.asyncDispose]: () => flotilla[Symbol.asyncDispose](),
  }
}

export async function startTheirs(folder: string): Promise<BenchServer> {
  const registry = await startDockerRegistry(join(folder, 'docker-registry'), onServerCore)
  return {
    name: 'docker-registry',
    port: registry.port,
    frontPort: undefined,
    pid: registry.pid,
    authorize: async () => '',
    [Symbol.asyncDispose]: () => registry[Symbol.asyncDispose](),
  }
}

/** The most memory that a process ever had resident since the last reset, in bytes. */
export function peakMemory(pid: number): number {
  const kibibytes = /^VmHWM:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
  return Number(kibibytes) * 1024
}

export function resetPeakMemory(pid: number): void {
  writeFileSync(`/proc/${pid}/clear_refs`, '5')
}
