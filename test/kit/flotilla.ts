// Flotilla as its operator meets it: ./bin/flotilla with a data folder, free ports and its commands.

import { join } from 'node:path'
import { findFreePort } from './free-port.ts'
import { type Ended, type Environment, mustRun, type RunningProcess, runProgram, startProcess } from './process.ts'
import { waitUntil } from './wait-until.ts'

export const flotillaProgram = join(import.meta.dir, '../../bin/flotilla')

export const listeners = ['registry', 'frontdoor', 'api', 'origin'] as const
export type ListenerName = (typeof listeners)[number]

export type Flotilla = AsyncDisposable & {
  readonly process: RunningProcess
  readonly data: string
  /** The settings that the server and the commands share. */
  readonly env: Environment
  /** `host:port` of a listener. */
  address(listener: ListenerName): string
  url(listener: ListenerName): string
  /** Runs a command that must succeed and gives back what it printed. */
  run(...args: string[]): Promise<string>
  runJson<T>(...args: string[]): Promise<T>
  /** Runs a command, whatever its code. */
  tryRun(...args: string[]): Promise<Ended>
}

export type FlotillaOptions = {
  readonly folder: string
  /** More settings, such as FLOTILLA_PUBLISH_BATCH_MS. */
  readonly env?: Environment
  /** Arguments after `flotilla`. */
  readonly args?: readonly string[]
  /** Put in front of the command line: `taskset -c 0`, say. */
  readonly before?: readonly string[]
  /** Listeners that must be ready; default: all. */
  readonly waitFor?: readonly ListenerName[]
  /** PEM file of the authority that signed the certificates of these listeners. */
  readonly https?: { readonly trust: string; readonly listeners: readonly ListenerName[] }
}

export async function findPorts(): Promise<Record<ListenerName, number>> {
  const [registry = 0, frontdoor = 0, api = 0, origin = 0] = await Promise.all(listeners.map(() => findFreePort()))
  return { registry, frontdoor, api, origin }
}

export async function startFlotilla(options: FlotillaOptions): Promise<Flotilla> {
  const { folder, https, before = [], args = ['up'], waitFor = listeners } = options
  const ports = await findPorts()
  const mirrorPort = await findFreePort()
  const address = (listener: ListenerName) => `127.0.0.1:${ports[listener]}`
  const url = (listener: ListenerName) =>
    `${https?.listeners.includes(listener) ? 'https' : 'http'}://${address(listener)}`
  const data = join(folder, 'data')
  const env: Environment = {
    HOME: folder,
    FLOTILLA_DATA: data,
    FLOTILLA_API_URL: url('api'),
    ...Object.fromEntries(listeners.map((name) => [`FLOTILLA_${name.toUpperCase()}_LISTEN`, address(name)])),
    FLOTILLA_MIRROR_LISTEN: `127.0.0.1:${mirrorPort}`,
    ...(https && { NODE_EXTRA_CA_CERTS: https.trust }),
    ...options.env,
  }
  const [command = '', ...rest] = [...before, flotillaProgram, ...args]
  const server = startProcess(command, rest, { logFile: join(folder, 'flotilla.log'), cwd: folder, env })
  const tls = https ? { tls: { ca: Bun.file(https.trust) } } : {}
  await waitUntil(
    async () => {
      if (!server.isRunning()) return true
      const ready = await Promise.all(waitFor.map((name) => fetch(`${url(name)}/readyz`, tls)))
      return ready.every((answer) => answer.ok)
    },
    { what: `flotilla ${args.join(' ')} is ready`, limitMs: 60_000 },
  )
  if (!server.isRunning()) throw new Error(`flotilla ended at its start:\n${server.output()}`)
  const commandOptions = { cwd: folder, env }
  return {
    process: server,
    data,
    env,
    address,
    url,
    run: (...verb) => mustRun(flotillaProgram, verb, commandOptions),
    runJson: async (...verb) => JSON.parse(await mustRun(flotillaProgram, [...verb, '--json'], commandOptions)),
    tryRun: (...verb) => runProgram(flotillaProgram, verb, commandOptions),
    [Symbol.asyncDispose]: async () => {
      await server[Symbol.asyncDispose]()
    },
  }
}
