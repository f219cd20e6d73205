import type { Handler } from '#http/listener.ts'

/** `/livez` and `/readyz` before everything else, as every listener has them. */
export function withProbes(handler: Handler, notReady: () => string | undefined): Handler {
  return (ask) => {
    if (ask.path === '/livez') return { status: 200, headers: { 'content-type': 'text/plain' }, body: 'ok\n' }
    if (ask.path !== '/readyz') return handler(ask)
    const reason = notReady()
    return { status: reason ? 503 : 200, headers: { 'content-type': 'text/plain' }, body: `${reason ?? 'ok'}\n` }
  }
}
