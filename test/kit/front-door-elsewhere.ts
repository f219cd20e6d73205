// A front door as on a machine of its own: its data folder has nothing of the control plane but copies of two keys.

import { copyFileSync, existsSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { type Flotilla, flotillaProgram } from './flotilla.ts'
import { type Environment, type RunningProcess, startProcess } from './process.ts'
import { waitUntil } from './wait-until.ts'

export type FrontDoorElsewhere = AsyncDisposable & {
  readonly url: string
  readonly folder: string
  readonly process: RunningProcess
  /** Asks as a client of that address; redirects are told, not followed. */
  ask(path: string, client: string, headers?: Readonly<Record<string, string>>): Promise<Response>
}

export type FrontDoorPlace = {
  readonly folder: string
  readonly port: number
  readonly env?: Environment
  readonly keepsBlockKey?: boolean
}

/** Where the mirror role of this installation listens. */
export function mirrorUrl({ env }: Pick<Flotilla, 'env'>): string {
  return `http://${env.FLOTILLA_MIRROR_LISTEN}`
}

/** Resolves when it is ready. Started again at the same place, it goes on with what its folder has. */
export async function startFrontDoorElsewhere(
  home: Pick<Flotilla, 'data' | 'env'>,
  originUrl: string,
  { folder, port, env, keepsBlockKey = false }: FrontDoorPlace,
): Promise<FrontDoorElsewhere> {
  mkdirSync(folder, { recursive: true })
  const keys = {
    FLOTILLA_FRONTDOOR_KEY: join(folder, 'frontdoor.key'),
    FLOTILLA_TICKET_KEY: join(folder, 'ticket.key'),
  }
  for (const path of Object.values(keys))
    if (!existsSync(path)) copyFileSync(join(home.data, 'keys', path.slice(folder.length + 1)), path)
  if (keepsBlockKey) {
    mkdirSync(join(folder, 'data/keys'), { recursive: true, mode: 0o700 })
    copyFileSync(join(home.data, 'keys/block.key'), join(folder, 'data/keys/block.key'))
  }
  const server = startProcess(flotillaProgram, ['serve', 'frontdoor'], {
    logFile: join(folder, 'frontdoor.log'),
    cwd: folder,
    env: {
      HOME: folder,
      FLOTILLA_DATA: join(folder, 'data'),
      FLOTILLA_FRONTDOOR_LISTEN: `127.0.0.1:${port}`,
      FLOTILLA_MIRROR_URL: mirrorUrl(home),
      FLOTILLA_ORIGIN_URL: originUrl,
      FLOTILLA_ALLOW_PRIVATE_HOSTS: 'true',
      FLOTILLA_TRUSTED_PROXIES: '127.0.0.1/32',
      ...keys,
      ...env,
    },
  })
  const url = `http://127.0.0.1:${port}`
  await waitUntil(async () => !server.isRunning() || (await fetch(`${url}/readyz`)).ok, {
    what: 'the front door elsewhere is ready',
  })
  if (!server.isRunning()) throw new Error(`the front door ended at its start:\n${server.output()}`)
  return {
    url,
    folder,
    process: server,
    ask: (path, client, headers = {}) =>
      fetch(`${url}${path}`, { redirect: 'manual', headers: { 'x-forwarded-for': client, ...headers } }),
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  }
}
