// The real rsyncd over a module that somebody's configuration describes.

import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { canConnect, findFreePort } from './free-port.ts'
import { mustRun, startProcess } from './process.ts'
import { getTool } from './tool.ts'
import { waitUntil } from './wait-until.ts'

export type RsyncDaemon = AsyncDisposable & {
  /** Of the module. */
  readonly url: string
  /** How often somebody connected since the start. */
  connections(): number
  /** Copies the whole module to a folder, as a mirror admin's cron job does. */
  copyTo(folder: string): Promise<void>
}

export async function startRsyncDaemon(folder: string, moduleConfig: string): Promise<RsyncDaemon> {
  const port = await findFreePort()
  const module = /^\[([^\]]+)\]/m.exec(moduleConfig)?.[1]
  if (module === undefined) throw new Error(`no module in:\n${moduleConfig}`)
  const config = join(folder, 'rsyncd.conf')
  writeFileSync(config, `${moduleConfig}\n`)
  const transfers = join(folder, 'rsyncd-transfers.log')
  const args = ['--daemon', '--no-detach', `--config=${config}`, `--log-file=${transfers}`]
  args.push('--address=127.0.0.1', `--port=${port}`)
  const daemon = startProcess(getTool('rsync'), args, { logFile: join(folder, 'rsyncd.log') })
  await waitUntil(
    async () => {
      if (!daemon.isRunning()) throw new Error(daemon.output())
      return canConnect('127.0.0.1', port)
    },
    { what: 'rsyncd answers', limitMs: 20_000 },
  )
  const url = `rsync://127.0.0.1:${port}/${module}`
  return {
    url,
    connections: () => readFileSync(transfers, 'utf8').split('] connect from ').length - 1,
    async copyTo(target) {
      await mustRun(getTool('rsync'), ['-a', '--delete', `${url}/`, `${target}/`])
    },
    [Symbol.asyncDispose]: () => daemon[Symbol.asyncDispose](),
  }
}
