// What node:http lets pass although two parsers could read it differently (RFC 9112, 3.2, 6.1 and 6.3): refused, so that nothing can
// be smuggled past a proxy.

import type { IncomingMessage } from 'node:http'
import { type Answer, refuse } from '#http/answer.ts'

/** Headers that mean something else when they come twice. */
const singletons = new Set([
  'authorization',
  'content-length',
  'content-range',
  'content-type',
  'host',
  'range',
  'transfer-encoding',
])

/** Undefined: there is nothing wrong. The connection of a refused head ends with the answer. */
export function checkHead({ rawHeaders, headers, httpVersion }: IncomingMessage): Answer | undefined {
  const seen = new Set<string>()
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at]!.toLowerCase()
    if (!singletons.has(name)) continue
    if (seen.has(name)) return refuse('REQUEST_INVALID', `the header ${name} may come once only`)
    seen.add(name)
  }
  const encoding = headers['transfer-encoding']
  if (encoding === undefined) return undefined
  if (httpVersion === '1.0') return refuse('REQUEST_INVALID', 'HTTP/1.0 knows no Transfer-Encoding')
  if (encoding.trim().toLowerCase() === 'chunked') return undefined
  return refuse('UNSUPPORTED', 'the only Transfer-Encoding that is taken is chunked', { status: 501 })
}
