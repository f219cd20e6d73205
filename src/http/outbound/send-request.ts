// One request to one address that the guard has passed: no look-up, no redirect. The socket goes to the address, the name goes
// into SNI, the certificate check and the Host header.

import { type ClientRequest, type Agent as HttpAgent, request as httpRequest, type IncomingMessage } from 'node:http'
import { type Agent as HttpsAgent, request as httpsRequest } from 'node:https'
import type { TLSSocket } from 'node:tls'
import { type Address, formatAddress } from '#kit/address.ts'
import { bodyStream } from './body-stream.ts'
import { literalAddress, portOf } from './guard-url.ts'
import { OutboundError, outboundErrorOf } from './outbound-error.ts'

export type OutboundResponse = {
  readonly status: number
  /** One header by its lower-case name; repeated ones joined by `, `. */
  header(name: string): string | undefined
  /** Where it came from, after redirects. */
  readonly url: string
  readonly address: string
  readonly family: 4 | 6
  /** Until the headers were there, from the moment the request was sent or the connection was begun. */
  readonly firstByteMs: number
  /** End of life of the certificate; undefined on http. */
  readonly certificateUntilMs: number | undefined
  /** To be read to its end, or cancelled. */
  readonly body: ReadableStream<Uint8Array>
}

export type SendOptions = {
  readonly method: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: Uint8Array | string | undefined
  readonly agents: { readonly http: HttpAgent; readonly https: HttpsAgent }
  readonly idleMs: number
  /** The moment on the clock of `performance.now()` at which the exchange ends, finished or not. */
  readonly deadline: number
  readonly maxBodyBytes: number
  readonly maxHeaderBytes: number
  readonly signal: AbortSignal | undefined
}

/** Whether the connection was one kept from before: the server may have closed it as we wrote, which says nothing about it. */
export class StaleConnection extends Error {}

export function sendRequest(url: URL, address: Address, options: SendOptions): Promise<OutboundResponse> {
  const where = `${options.method} ${url.origin}${url.pathname} at ${formatAddress(address)}`
  const startedAt = performance.now()
  return new Promise((resolve, reject) => {
    const request = openRequest(url, address, options)
    let idle: NodeJS.Timeout | undefined
    let answer: IncomingMessage | undefined
    let ended: OutboundError | undefined
    const finish = (error?: OutboundError) => {
      clearTimeout(idle)
      clearTimeout(total)
      options.signal?.removeEventListener('abort', onAbort)
      const isFirst = error !== undefined && ended === undefined
      ended ??= error
      // A message that has ended no longer owns its socket: the next request may.
      if (isFirst) answer ? answer.destroy() : request.destroy()
      return ended
    }
    const fail = (error: unknown) => {
      const sorted = outboundErrorOf(error, where)
      const isStale = !answer && !ended && request.reusedSocket && sorted.kind === 'closed'
      finish(sorted)
      reject(isStale ? new StaleConnection(where, { cause: error }) : (ended ?? sorted))
    }
    const onAbort = () => fail(new OutboundError('cancelled', `${where}: cancelled`))
    const late = (what: string) => () => fail(new OutboundError('timeout', `${where}: ${what}`))
    const total = setTimeout(late('its time is over'), Math.max(0, options.deadline - startedAt))
    idle = setTimeout(late(`no answer within ${options.idleMs} ms`), options.idleMs)
    request.on('error', fail)
    request.on('upgrade', (_, socket) => {
      socket.destroy()
      fail(new OutboundError('protocol', `${where}: it answered by changing the protocol`))
    })
    request.on('response', (message) => {
      answer = message
      // Whoever reads the body meets its errors; without a listener one after its end would end the process.
      message.on('error', () => undefined)
      clearTimeout(idle)
      const limits = { idleMs: options.idleMs, maxBytes: options.maxBodyBytes, where }
      resolve({
        status: message.statusCode ?? 0,
        header: (name) => headerOf(message, name),
        url: url.href,
        address: formatAddress(address),
        family: address.family,
        firstByteMs: performance.now() - startedAt,
        certificateUntilMs: certificateUntil(message),
        body: bodyStream(message, limits, finish),
      })
    })
    options.signal?.addEventListener('abort', onAbort, { once: true })
    if (options.signal?.aborted) return onAbort()
    request.end(options.body)
  })
}

function openRequest(url: URL, address: Address, options: SendOptions): ClientRequest {
  const isTls = url.protocol === 'https:'
  return (isTls ? httpsRequest : httpRequest)({
    agent: isTls ? options.agents.https : options.agents.http,
    host: formatAddress(address),
    port: portOf(url),
    method: options.method,
    path: url.pathname + url.search,
    headers: { host: url.host, ...options.headers },
    maxHeaderSize: options.maxHeaderBytes,
    // A certificate for a bare address is checked against that address, and SNI must not carry one.
    ...(isTls && !literalAddress(url) && { servername: url.hostname }),
  })
}

function headerOf(message: IncomingMessage, name: string): string | undefined {
  const value = message.headers[name]
  return Array.isArray(value) ? value.join(', ') : value
}

function certificateUntil(message: IncomingMessage): number | undefined {
  const socket = message.socket as Partial<TLSSocket> | null
  const until = socket?.getPeerCertificate?.()?.valid_to
  return until === undefined ? undefined : Date.parse(until)
}
