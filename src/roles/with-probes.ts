import type { Handler } from '#http/listener.ts'

type Probe = { readonly status: 200 | 503; readonly body: string }

/** The answers to `/livez` and `/readyz`, which every listener has; undefined: another path. `notReady` is asked at most once. */
function probe(path: string, notReady: () => string | undefined): Probe | undefined {
  if (path === '/livez') return { status: 200, body: 'ok\n' }
  if (path !== '/readyz') return undefined
  const reason = notReady()
  return { status: reason ? 503 : 200, body: `${reason ?? 'ok'}\n` }
}

const headers = { 'content-type': 'text/plain' }

/** Probes before everything else. */
export function withProbes(handler: Handler, notReady: () => string | undefined): Handler {
  return (ask) => {
    const answer = probe(ask.path, notReady)
    return answer ? { ...answer, headers } : handler(ask)
  }
}

/** The same for listeners of web-standard requests. */
export function probeResponse(path: string, notReady: () => string | undefined): Response | undefined {
  const answer = probe(path, notReady)
  return answer && new Response(answer.body, { status: answer.status })
}
