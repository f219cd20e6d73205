// Proxies before a front door: HAProxy with a configuration of its own, and nginx that hands on streams.

import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { canConnect } from './free-port.ts'
import { type RunningProcess, startProcess } from './process.ts'
import { getTool } from './tool.ts'
import { waitUntil } from './wait-until.ts'

export const nginxStreamModule = '/usr/lib/nginx/modules/ngx_stream_module.so'

/** A reason not to run what needs nginx's streams; undefined where they are. */
export function unlessNginxStreams(): string | undefined {
  return existsSync(nginxStreamModule) ? undefined : 'libnginx-mod-stream not installed'
}

type Place = { readonly folder: string; readonly address?: string; readonly port: number }

async function whenListening({ address = '127.0.0.1', port }: Place, proxy: RunningProcess): Promise<RunningProcess> {
  await waitUntil(
    () => {
      if (!proxy.isRunning()) throw new Error(proxy.output())
      return canConnect(address, port)
    },
    { what: `a proxy at ${address}:${port}`, limitMs: 20_000 },
  )
  return proxy
}

/** Resolves when something listens at the port, one of those that `config` binds. */
export function startHaproxy(place: Place, config: string): Promise<RunningProcess> {
  const file = join(place.folder, `haproxy-${place.port}.cfg`)
  writeFileSync(file, config)
  return whenListening(place, startProcess(getTool('haproxy'), ['-db', '-f', file], { logFile: `${file}.out` }))
}

/** Hands streams on to `target` with a PROXY header (version 1, all that nginx writes). */
export function startNginxStream(place: Place, target: string): Promise<RunningProcess> {
  const file = join(place.folder, `stream-${place.port}.conf`)
  const { address = '127.0.0.1', port } = place
  writeFileSync(
    file,
    `load_module ${nginxStreamModule}; daemon off; master_process off; pid ${file}.pid; error_log ${file}.log;
events { worker_connections 256; }
stream { server { listen ${address}:${port}; proxy_pass ${target}; proxy_protocol on; } }
`,
  )
  const args = ['-e', `${file}.log`, '-c', file]
  return whenListening(place, startProcess(getTool('nginx'), args, { logFile: `${file}.out` }))
}
