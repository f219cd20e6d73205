// Debian's docker-registry: the peer that clients are tried against and that the benches stand beside.

import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { findFreePort } from './free-port.ts'
import { startProcess } from './process.ts'
import { getTool } from './tool.ts'
import { waitUntil } from './wait-until.ts'

export type DockerRegistry = AsyncDisposable & { readonly host: string; readonly port: number; readonly pid: number }

/** `before` is put in front of the command line: `taskset -c 0`, say. */
export async function startDockerRegistry(folder: string, before: readonly string[] = []): Promise<DockerRegistry> {
  mkdirSync(folder, { recursive: true })
  const port = await findFreePort()
  const host = `127.0.0.1:${port}`
  const config = [
    'version: 0.1',
    'log: { level: error, accesslog: { disabled: true } }',
    `storage: { filesystem: { rootdirectory: ${join(folder, 'storage')} }, delete: { enabled: true } }`,
    `http: { addr: ${host} }`,
  ]
  writeFileSync(join(folder, 'config.yml'), `${config.join('\n')}\n`)
  const args = [...before, getTool('docker-registry'), 'serve', join(folder, 'config.yml')]
  const server = startProcess(args[0]!, args.slice(1), { logFile: join(folder, 'log') })
  await waitUntil(async () => (await fetch(`http://${host}/v2/`)).ok, { what: 'docker-registry answers' })
  return { host, port, pid: server.pid, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() }
}
