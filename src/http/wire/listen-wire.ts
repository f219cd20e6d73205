// Our own HTTP/1.1 server for GET and HEAD: the front door uses it. Why it exists: docs/decisions/0001-own-http-reader.md
import type { Handler, Listener } from '#http/listener.ts'
import { Acceptor, type WireOptions } from './acceptor.ts'
import { wireLimitDefaults } from './limits.ts'

export function listenWire(handler: Handler, options: WireOptions): Listener {
  const { proxyProtocol = 'off', tls, host } = options
  if (proxyProtocol !== 'off' && tls)
    throw new Error('a PROXY header comes before TLS, where the runtime shows us nothing')
  const limits = { ...wireLimitDefaults, ...options.limits }
  let acceptor = new Acceptor(handler, limits, options)
  const { port } = acceptor
  return {
    host,
    port,
    async replaceCertificate(next) {
      const old = acceptor
      acceptor = new Acceptor(handler, limits, { ...options, port, tls: next })
      await old.stop(limits.idleTimeoutMs)
    },
    stop: (graceMs) => acceptor.stop(graceMs),
  }
}
