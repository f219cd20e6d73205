// The one client by which Flotilla speaks to machines of others: probes, crawls, replication, webhooks. Every URL and every
// redirect passes the guard; connections are kept and counted; nothing a server does can hold it past its time or its memory.

import { Agent as HttpAgent } from 'node:http'
import { Agent as HttpsAgent } from 'node:https'
import { rootCertificates } from 'node:tls'
import { discard } from './body-stream.ts'
import { guardUrl } from './guard-url.ts'
import { OutboundError } from './outbound-error.ts'
import { type Resolve, resolveBySystem, resolveGuarded } from './resolve-name.ts'
import { type OutboundResponse, type SendOptions, StaleConnection, sendRequest } from './send-request.ts'

export type OutboundOptions = {
  /** Loopback and private addresses, and any port; see the guard. */
  readonly allowPrivate: boolean
  readonly userAgent: string
  /** PEM of further certificate authorities. */
  readonly ca?: string | undefined
  /** Waiting for one counts as the host's time, so callers bound what they ask at once below this. */
  readonly maxConnectionsPerHost?: number
  /** How long a connection may wait for its next request. */
  readonly keepAliveMs?: number
  readonly resolve?: Resolve
}

export type OutboundRequest = {
  readonly url: string
  readonly method?: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'DELETE'
  /** Lower-case names. `accept-encoding` is `identity` unless given. */
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: Uint8Array | string
  /** Speaks only this family. */
  readonly family?: 4 | 6 | undefined
  /** For the whole exchange, the body included. */
  readonly totalMs: number
  /** Without any byte, or before the first. */
  readonly idleMs: number
  readonly maxBodyBytes: number
  readonly maxHeaderBytes?: number
  /** Redirects followed, GET and HEAD only; 0: the redirect itself is the answer. */
  readonly redirects?: number
  readonly signal?: AbortSignal | undefined
}

const redirectStatuses: ReadonlySet<number> = new Set([301, 302, 303, 307, 308])
const resolveMs = 5_000

export class OutboundClient implements AsyncDisposable {
  readonly #options: OutboundOptions
  readonly #agents: SendOptions['agents']

  constructor(options: OutboundOptions) {
    this.#options = options
    const pool = {
      keepAlive: true,
      maxSockets: options.maxConnectionsPerHost ?? 64,
      maxFreeSockets: 2,
      timeout: options.keepAliveMs ?? 15_000,
    }
    const ca = options.ca === undefined ? {} : { ca: [...rootCertificates, options.ca] }
    this.#agents = { http: new HttpAgent(pool), https: new HttpsAgent({ ...pool, ...ca }) }
  }

  /** Throws OutboundError. An answer of any status is an answer. */
  async send(asked: OutboundRequest): Promise<OutboundResponse> {
    const deadline = performance.now() + asked.totalMs
    const method = asked.method ?? 'GET'
    let url = guardUrl(asked.url, this.#options)
    let headers = { 'user-agent': this.#options.userAgent, 'accept-encoding': 'identity', ...asked.headers }
    for (let left = asked.redirects ?? 0; ; left--) {
      const answer = await this.#sendTo(url, { ...asked, method, headers }, deadline)
      const location = redirectStatuses.has(answer.status) ? answer.header('location') : undefined
      const isFollowed = (asked.redirects ?? 0) > 0 && (method === 'GET' || method === 'HEAD')
      if (location === undefined || !isFollowed) return answer
      await discard(answer.body)
      if (left === 0) throw new OutboundError('redirects', `${asked.url} redirects more than ${asked.redirects} times`)
      const next = followed(location, url, this.#options)
      if (next.origin !== url.origin) headers = withoutSecrets(headers)
      url = next
    }
  }

  /** Tries the addresses of a name in turn until one takes the connection. */
  async #sendTo(
    url: URL,
    asked: OutboundRequest & { readonly method: string; readonly headers: Readonly<Record<string, string>> },
    deadline: number,
  ): Promise<OutboundResponse> {
    const addresses = await resolveGuarded(url, asked.family, {
      allowPrivate: this.#options.allowPrivate,
      resolve: this.#options.resolve ?? resolveBySystem,
      timeoutMs: Math.min(resolveMs, asked.totalMs),
    })
    const options: SendOptions = {
      method: asked.method,
      headers: asked.headers,
      body: asked.body,
      agents: this.#agents,
      idleMs: asked.idleMs,
      deadline,
      maxBodyBytes: asked.maxBodyBytes,
      maxHeaderBytes: asked.maxHeaderBytes ?? 16_384,
      signal: asked.signal,
    }
    let refused: OutboundError | undefined
    for (const address of addresses) {
      try {
        return await sendFresh(url, address, options)
      } catch (error) {
        // Only where no connection came to be is another address another chance.
        if (!(error instanceof OutboundError) || (error.kind !== 'refused' && error.kind !== 'unreachable')) throw error
        refused = error
      }
    }
    throw refused!
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#agents.http.destroy()
    this.#agents.https.destroy()
  }
}

/** A kept connection that the server had closed is no answer of the server: ask again, at most as often as connections are kept. */
async function sendFresh(...[url, address, options]: Parameters<typeof sendRequest>): Promise<OutboundResponse> {
  for (let again = 0; ; again++) {
    try {
      return await sendRequest(url, address, options)
    } catch (error) {
      if (!(error instanceof StaleConnection)) throw error
      const isSafe = options.method === 'GET' || options.method === 'HEAD'
      if (!isSafe || again === 3) throw new OutboundError('closed', `${error.message}: closed before an answer`, error)
    }
  }
}

function followed(location: string, from: URL, options: OutboundOptions): URL {
  if (!URL.canParse(location, from.href)) throw new OutboundError('protocol', `${from.href} redirects to no URL`)
  const next = guardUrl(new URL(location, from.href).href, options)
  if (from.protocol === 'https:' && next.protocol === 'http:') {
    throw new OutboundError('guard', `${from.href} redirects from https to http`)
  }
  return next
}

function withoutSecrets<T extends Record<string, string>>(headers: T): T {
  const { authorization, cookie, ...rest } = headers as Record<string, string>
  return rest as T
}
