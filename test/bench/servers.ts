// The two registries side by side, each pinned to the server core when it measures; and what a client must show to be let in.

import { randomBytes } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { startDockerRegistry } from '../kit/docker-registry.ts'
import { startFlotilla } from '../kit/flotilla.ts'

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

/** The token protocol as docker does it: asked once, then shown with every request. */
async function fetchToken(base: string, repository: string, login: string): Promise<string> {
  const challenge = (await fetch(`${base}/v2/`)).headers.get('www-authenticate') ?? ''
  const realm = /realm="([^"]+)"/.exec(challenge)?.[1]
  if (!challenge.startsWith('Bearer') || realm === undefined) return `Authorization: Basic ${btoa(login)}\r\n`
  const service = /service="([^"]+)"/.exec(challenge)?.[1] ?? ''
  const query = new URLSearchParams({ service, scope: `repository:${repository}:pull,push` })
  const answer = await fetch(`${realm}?${query}`, { headers: { authorization: `Basic ${btoa(login)}` } })
  const { token } = (await answer.json()) as { token: string }
  return `Authorization: Bearer ${token}\r\n`
}

export async function startOurs(folder: string): Promise<BenchServer> {
  const adminToken = randomBytes(24).toString('hex')
  const env = { FLOTILLA_ADMIN_TOKEN: adminToken, FLOTILLA_TOKEN: adminToken }
  const flotilla = await startFlotilla({ folder, before: onServerCore, env })
  return {
    name: 'flotilla',
    port: Number(flotilla.address('registry').split(':')[1]),
    frontPort: Number(flotilla.address('frontdoor').split(':')[1]),
    pid: flotilla.process.pid,
    authorize: (repository) => fetchToken(flotilla.url('registry'), repository, `admin:${adminToken}`),
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
