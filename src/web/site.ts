// The status pages: which address shows what. Everything on them comes from the API as strangers see it; nothing needs script.

import { createHash } from 'node:crypto'
import { type ApiClient, ApiError } from '#api/client.ts'
import { hostsPage } from './hosts-page.ts'
import { icon } from './icon.ts'
import { layout } from './layout.ts'
import { overviewPage } from './overview-page.ts'
import type { Page, PageAsk } from './page.ts'
import { repositoryPage } from './repository-page.ts'
import { statisticsPage } from './statistics-page.ts'
import { style } from './style.ts'
import { type Trouble, troublePage } from './trouble-page.ts'

export type Site = (request: Request, client: ApiClient, nowMs: number) => Promise<Response | undefined>

const repositoryPrefix = '/repositories/'

export function makeSite(): Site {
  const styleDigest = createHash('sha256').update(style).digest('base64')
  const headers = {
    'content-security-policy': [
      "default-src 'none'",
      `style-src 'sha256-${styleDigest}'`,
      "img-src 'self'",
      "form-action 'self'",
      "base-uri 'none'",
      "frame-ancestors 'none'",
    ].join('; '),
    'x-content-type-options': 'nosniff',
    'x-frame-options': 'DENY',
    'referrer-policy': 'no-referrer',
    'cross-origin-opener-policy': 'same-origin',
    'cross-origin-resource-policy': 'same-origin',
    'permissions-policy': 'camera=(), geolocation=(), microphone=()',
  }
  const send = (request: Request, body: string, type: string, more: { status: number; cache: string }) =>
    new Response(request.method === 'HEAD' ? null : body, {
      status: more.status,
      headers: { ...headers, 'content-type': type, 'cache-control': more.cache },
    })

  return async (request, client, nowMs) => {
    if (request.method !== 'GET' && request.method !== 'HEAD') return undefined
    const { pathname, searchParams: query } = new URL(request.url, 'http://localhost')
    if (pathname === '/icon.svg')
      return send(request, icon, 'image/svg+xml', { status: 200, cache: 'public, max-age=86400' })
    // Programs that ask for something else are told in the API's own words.
    const isForPeople = request.headers.get('accept')?.includes('text/html') === true
    const make = find(pathname)
    if (!make && !isForPeople) return undefined
    const { page, status } = await render(make, { client, query, nowMs })
    return send(request, String(await layout(page)), 'text/html; charset=utf-8', { status, cache: 'no-cache' })
  }
}

function find(pathname: string): ((ask: PageAsk) => Promise<Page>) | undefined {
  if (pathname === '/') return overviewPage
  if (pathname === '/hosts') return hostsPage
  if (pathname === '/statistics') return statisticsPage
  if (!pathname.startsWith(repositoryPrefix)) return undefined
  const name = pathname.slice(repositoryPrefix.length)
  return (ask) => repositoryPage(name, ask)
}

async function render(make: ReturnType<typeof find>, ask: PageAsk): Promise<{ page: Page; status: number }> {
  if (!make) return { page: troublePage('missing'), status: 404 }
  try {
    return { page: await make(ask), status: 200 }
  } catch (error) {
    if (!(error instanceof ApiError)) throw error
    const trouble: Trouble = error.status === 404 ? 'missing' : error.status === 400 ? 'malformed' : 'unavailable'
    return { page: troublePage(trouble), status: { missing: 404, malformed: 400, unavailable: 503 }[trouble] }
  }
}
