// Kept connections of https: used again by the same name only, and never by one that the certificate is not of.
import { afterAll, beforeAll, expect, test } from 'bun:test'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { createServer, type Server } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { makeAuthority } from '../../../test/kit/certificate-authority.ts'
import { readAll } from './body-stream.ts'
import { OutboundClient } from './outbound-client.ts'

let folder: string
let server: Server
let client: OutboundClient
let port: number
const sockets: unknown[] = []
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kept-'))
  const authority = await makeAuthority(folder)
  const pem = { cert: await readFile(authority.cert), key: await readFile(authority.key) }
  server = createServer(pem, ({ socket }, response) => {
    sockets.push(socket)
    response.end('ok')
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  port = (server.address() as { port: number }).port
  const ca = await readFile(authority.bundle, 'utf8')
  client = new OutboundClient({ allowPrivate: true, userAgent: 'test', ca, resolve: async () => ['127.0.0.1'] })
})
afterAll(async () => {
  await client[Symbol.asyncDispose]()
  server.closeAllConnections()
  await new Promise((resolve) => server.close(resolve))
  await rm(folder, { recursive: true, force: true })
})

const limits = { totalMs: 10_000, idleMs: 5_000, maxBodyBytes: 100 }
const ask = async (name: string) => readAll((await client.send({ url: `https://${name}:${port}/`, ...limits })).body)

test('one handshake serves many requests to a name, and none to another', async () => {
  for (let i = 0; i < 5; i++) await ask('front.test')
  expect(new Set(sockets).size).toBe(1)
  await ask('registry.test')
  expect(new Set(sockets).size).toBe(2)
  for (let i = 0; i < 2; i++) await expect(ask('stranger.test')).rejects.toThrow(/altnames/)
  expect(sockets.length).toBe(6)
})
