import type { Logger } from 'pino'
import type { Config } from '#config/config.ts'
import type { Listener } from '#http/listener.ts'
import { listenFetch } from '#http/serve-bun.ts'
import { probeResponse } from './with-probes.ts'

/** `/metrics`, `/livez` and `/readyz` on a listener of their own, where one is configured: plain http, for the operator's network. */
export function startHealthListener(
  config: Config,
  log: Logger,
  metrics: () => Promise<Response>,
  notReady: () => string | undefined,
): Listener | undefined {
  const listen = config.settings.metricsListen
  if (!listen) return undefined
  return listenFetch(
    async (request) => {
      const { pathname } = new URL(request.url, 'http://localhost')
      const probed = probeResponse(pathname, notReady)
      if (probed) return probed
      return pathname === '/metrics' ? await metrics() : new Response('not found\n', { status: 404 })
    },
    {
      ...listen,
      stallMs: config.settings.stall,
      log: (error) => log.error({ err: error }, 'a request for metrics failed'),
    },
  )
}
