// The outbound client where a proxy stands between: CONNECT for https, the whole address for http. The proxy resolves names, so the
// guard looks at what the name leads to from here, where it leads anywhere, and at the text of the address always.

import { rootCertificates } from 'node:tls'
import { guardUrl } from './guard-url.ts'
import type { OutboundClient, OutboundRequest } from './outbound-client.ts'
import { OutboundError, outboundErrorOf } from './outbound-error.ts'
import { type ProxySettings, proxyFor } from './proxy-settings.ts'
import { resolveBySystem, resolveGuarded } from './resolve-name.ts'
import type { OutboundResponse } from './send-request.ts'

export type ProxiedOptions = {
  readonly proxy: ProxySettings
  readonly allowPrivate: boolean
  readonly userAgent: string
  /** PEM of further certificate authorities. */
  readonly ca?: string | undefined
}

const resolveMs = 5_000

export class ProxiedClient {
  readonly #direct: Pick<OutboundClient, 'send'>
  readonly #options: ProxiedOptions

  /** `direct`: for addresses that no proxy stands before. */
  constructor(direct: Pick<OutboundClient, 'send'>, options: ProxiedOptions) {
    this.#direct = direct
    this.#options = options
  }

  /** Redirects are never followed here. Throws OutboundError. */
  async send(asked: OutboundRequest): Promise<OutboundResponse> {
    const { proxy: settings, allowPrivate } = this.#options
    const url = guardUrl(asked.url, { allowPrivate })
    const proxy = proxyFor(url, settings)
    if (proxy === undefined) return this.#direct.send(asked)
    await refusePrivate(url, allowPrivate)
    return new ProxiedExchange(url, proxy, asked, this.#options).send()
  }
}

/** A name that only the proxy can resolve is the proxy's to judge. */
async function refusePrivate(url: URL, allowPrivate: boolean): Promise<void> {
  try {
    await resolveGuarded(url, undefined, { allowPrivate, resolve: resolveBySystem, timeoutMs: resolveMs })
  } catch (error) {
    if (error instanceof OutboundError && error.kind === 'guard') throw error
  }
}

class ProxiedExchange {
  readonly #url: URL
  readonly #proxy: string
  readonly #asked: OutboundRequest
  readonly #options: ProxiedOptions
  readonly #ending = new AbortController()
  readonly #where: string
  #ended: OutboundError | undefined
  #idle: NodeJS.Timeout | undefined

  constructor(url: URL, proxy: string, asked: OutboundRequest, options: ProxiedOptions) {
    this.#url = url
    this.#proxy = proxy
    this.#asked = asked
    this.#options = options
    this.#where = `${asked.method ?? 'GET'} ${url.origin}${url.pathname} by proxy ${new URL(proxy).host}`
  }

  async send(): Promise<OutboundResponse> {
    const { method = 'GET', headers, body, idleMs, signal } = this.#asked
    const startedAt = performance.now()
    const total = setTimeout(() => this.#end('timeout', 'its time is over'), Math.min(this.#asked.totalMs, 2 ** 31 - 1))
    const onAbort = () => this.#end('cancelled', 'cancelled')
    signal?.addEventListener('abort', onAbort, { once: true })
    const finish = () => {
      clearTimeout(total)
      clearTimeout(this.#idle)
      signal?.removeEventListener('abort', onAbort)
    }
    if (signal?.aborted) onAbort()
    this.#wait(`no answer within ${idleMs} ms`)
    try {
      const answer = await fetch(this.#url, {
        method,
        headers: { 'user-agent': this.#options.userAgent, 'accept-encoding': 'identity', ...headers },
        ...(body !== undefined && { body }),
        redirect: 'manual',
        signal: this.#ending.signal,
        proxy: this.#proxy,
        decompress: false,
        ...(this.#options.ca !== undefined && { tls: { ca: [...rootCertificates, this.#options.ca] } }),
      } as RequestInit)
      clearTimeout(this.#idle)
      return this.#responseOf(answer, performance.now() - startedAt, finish)
    } catch (error) {
      finish()
      throw this.#trouble(error)
    }
  }

  #responseOf(answer: Response, firstByteMs: number, finish: () => void): OutboundResponse {
    return {
      status: answer.status,
      header: (name) => answer.headers.get(name) ?? undefined,
      url: this.#url.href,
      address: new URL(this.#proxy).host,
      family: 4,
      firstByteMs,
      certificateUntilMs: undefined,
      body: this.#bodyOf(answer, finish),
    }
  }

  #bodyOf(answer: Response, finish: () => void): ReadableStream<Uint8Array> {
    const reader = answer.body?.getReader()
    let received = 0
    return new ReadableStream<Uint8Array>(
      {
        pull: async (controller) => {
          this.#wait(`no byte for ${this.#asked.idleMs} ms after ${received} bytes of the body`)
          try {
            const { done, value } = (await reader?.read()) ?? { done: true, value: undefined }
            if (done) {
              finish()
              return controller.close()
            }
            received += value!.length
            if (received > this.#asked.maxBodyBytes) this.#end('too-large', `more than ${received} bytes came`)
            if (this.#ended) throw this.#ended
            controller.enqueue(value!)
          } catch (error) {
            finish()
            controller.error(this.#trouble(error))
          } finally {
            clearTimeout(this.#idle)
          }
        },
        cancel: () => {
          finish()
          this.#end('cancelled', 'cancelled')
        },
      },
      { highWaterMark: 0 },
    )
  }

  #wait(what: string): void {
    clearTimeout(this.#idle)
    this.#idle = setTimeout(() => this.#end('timeout', what), this.#asked.idleMs)
  }

  #end(kind: OutboundError['kind'], what: string): void {
    this.#ended ??= new OutboundError(kind, `${this.#where}: ${what}`)
    this.#ending.abort(this.#ended)
  }

  #trouble(error: unknown): OutboundError {
    if (this.#ended) return this.#ended
    const { code } = error as { code?: unknown }
    const kind =
      typeof code === 'string' && /^(ConnectionRefused|FailedToOpenSocket)$/.test(code) ? 'refused' : undefined
    if (kind) return new OutboundError(kind, `${this.#where}: ${(error as Error).message}`, error)
    return outboundErrorOf(error, this.#where)
  }
}
