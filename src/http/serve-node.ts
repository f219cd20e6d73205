// node:http (as Bun has it) as a listener of Asks and Answers: the registry uses it, because the distribution spec asks for one
// OCI-Tag line per tag and Bun.serve joins repeated headers into one.

import { readFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import { createSecureContext } from 'node:tls'
import { NodeConnection } from '#http/node/connection.ts'
import type { Handler, Listener, ListenOptions, TlsFiles } from './listener.ts'

const timeouts = {
  /** From the first byte of a head to its last, however slowly it trickles. */
  headersTimeout: 10_000,
  keepAliveTimeout: 60_000,
  /** Bodies have the stall timer. */
  requestTimeout: 0,
  connectionsCheckingInterval: 1000,
}

type NodeServer = { readonly server: Server; readonly connections: ReadonlyMap<Duplex, NodeConnection> }

export async function listenNode(handler: Handler, options: ListenOptions): Promise<Listener> {
  const { host, stallMs, log } = options
  const start = async (port: number, tls: TlsFiles | undefined): Promise<NodeServer> => {
    const connections = new Map<Duplex, NodeConnection>()
    const connectionOf = (socket: Duplex) => {
      const known = connections.get(socket)
      if (known) return known
      const connection = new NodeConnection(socket, { handler, isTls: tls !== undefined, stallMs, log })
      connections.set(socket, connection)
      socket.once('close', () => connections.delete(socket))
      return connection
    }
    const onRequest = (request: IncomingMessage, response: ServerResponse) =>
      void connectionOf(request.socket).onRequest(request, response)
    const server = tls
      ? createTlsServer({ ...timeouts, cert: await readFile(tls.cert), key: await readFile(tls.key) }, onRequest)
      : createServer(timeouts, onRequest)
    server.on(tls ? 'secureConnection' : 'connection', connectionOf)
    server.on('clientError', (error: Error, socket: Duplex) => connectionOf(socket).onClientError(error))
    await new Promise<void>((resolve, reject) => {
      // Of a port that is taken or forbidden the runtime names the host alone.
      server.once('error', (error) => reject(Object.assign(error, { message: `${host}:${port}: ${error.message}` })))
      server.listen({ port, host }, resolve)
    })
    return { server, connections }
  }
  const drain = async ({ server, connections }: NodeServer, graceMs: number) => {
    const closed = new Promise<void>((resolve) => server.close(() => resolve()))
    for (const connection of connections.values()) connection.drain()
    const timer = setTimeout(() => server.closeAllConnections(), graceMs)
    await closed
    clearTimeout(timer)
  }
  let current = await start(options.port, options.tls)
  const { port } = current.server.address() as AddressInfo
  return {
    host,
    port,
    // NOTE node:http in Bun cannot share a port with itself, so here the old listener ends before the new one begins: connections are
    // refused for a moment of some milliseconds. Files that are no certificate are found before that.
    async replaceCertificate(tls) {
      createSecureContext({ cert: await readFile(tls.cert), key: await readFile(tls.key) })
      const drained = drain(current, stallMs)
      current = await startAgain(() => start(port, tls))
      await drained
    },
    stop: (graceMs) => drain(current, graceMs),
  }
}

const releaseTries = 200
const releaseMs = 5

/** The port is free as soon as the old listener has let go of it. */
async function startAgain<T>(start: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await start()
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE' || tries === releaseTries) throw error
      await new Promise((resolve) => setTimeout(resolve, releaseMs))
    }
  }
}
