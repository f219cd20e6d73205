// node:http (as Bun has it) as a listener of Asks and Answers: the registry uses it, because the distribution spec asks for one
// OCI-Tag line per tag and Bun.serve joins repeated headers into one.

import { readFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import type { Handler, Listener, ListenOptions, TlsFiles } from './listener.ts'
import { NodeConnection } from './node/connection.ts'

const timeouts = {
  /** From the first byte of a head to its last, however slowly it trickles. */
  headersTimeout: 10_000,
  keepAliveTimeout: 60_000,
  /** Bodies have the stall timer. */
  requestTimeout: 0,
  connectionsCheckingInterval: 1000,
}

export async function listenNode(handler: Handler, options: ListenOptions): Promise<Listener> {
  const { host, stallMs, log } = options
  const start = async (port: number, tls: TlsFiles | undefined): Promise<Server> => {
    const connections = new WeakMap<Duplex, NodeConnection>()
    const connectionOf = (socket: Duplex) => {
      const known = connections.get(socket)
      if (known) return known
      const connection = new NodeConnection(socket, { handler, isTls: tls !== undefined, stallMs, log })
      connections.set(socket, connection)
      return connection
    }
    const onRequest = (request: IncomingMessage, response: ServerResponse) =>
      void connectionOf(request.socket).onRequest(request, response)
    const server = tls
      ? createTlsServer({ ...timeouts, cert: await readFile(tls.cert), key: await readFile(tls.key) }, onRequest)
      : createServer(timeouts, onRequest)
    server.on('clientError', (error: Error, socket: Duplex) => connectionOf(socket).onClientError(error))
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen({ port, host, reusePort: tls !== undefined }, resolve)
    })
    return server
  }
  const drain = async (old: Server, graceMs: number) => {
    const closed = new Promise<void>((resolve) => old.close(() => resolve()))
    old.closeIdleConnections()
    const timer = setTimeout(() => old.closeAllConnections(), graceMs)
    await closed
    clearTimeout(timer)
  }
  let server = await start(options.port, options.tls)
  const { port } = server.address() as AddressInfo
  return {
    host,
    port,
    async replaceCertificate(tls) {
      const old = server
      server = await start(port, tls)
      await drain(old, stallMs)
    },
    stop: (graceMs) => drain(server, graceMs),
  }
}
