// The control API and the pages, on one listener; with it the metrics, unless they have a listener of their own.

import { makeApi, maxApiBodyBytes } from '#api/api-app.ts'
import type { ApiStores } from '#api/api-context.ts'
import { listenFetch } from '#http/serve-bun.ts'
import type { Pages } from './pages.ts'
import type { Resources } from './resources.ts'
import type { Role } from './role.ts'
import { probeResponse } from './with-probes.ts'

export type ManagerParts = {
  readonly stores: ApiStores
  readonly notReady: () => string | undefined
  readonly metrics: () => Promise<Response>
  readonly pages: Pages
}

export async function startManager(
  { config, log, authenticator }: Resources,
  { stores, notReady, metrics, pages }: ManagerParts,
): Promise<Role> {
  const { settings } = config
  const { host, port } = config.listen.api
  let isStopping = false
  const reason = () => (isStopping ? 'stopping' : notReady())
  const logError = (error: unknown) => log.error({ err: error }, 'a request to the api failed')
  const api = makeApi({ stores, authenticator, log: logError })
  const listener = listenFetch(
    async (request, peer) => {
      const { pathname } = new URL(request.url, 'http://localhost')
      const probed = probeResponse(pathname, reason)
      if (probed) return probed
      if (pathname === '/metrics' && settings.metricsListen === undefined) return await metrics()
      if (!pathname.startsWith('/api/')) {
        const page = await pages(request, (asked) => api.fetch(asked, { peer }))
        if (page) return page
      }
      return await api.fetch(request, { peer })
    },
    { host, port, tls: config.tls, stallMs: settings.stall, maxBodyBytes: maxApiBodyBytes, log: logError },
  )
  return {
    name: 'manager',
    listeners: { api: listener },
    notReady: () => (isStopping ? 'stopping' : undefined),
    async stop() {
      isStopping = true
      await listener.stop(settings.drain)
    },
  }
}
