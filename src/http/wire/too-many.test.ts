// What one client, and all of them, may keep open at a real listener.
import { afterAll, afterEach, expect, test } from 'bun:test'
import type { Listener } from '#http/listener.ts'
import { openWire, type WireConnection } from '../../../test/kit/wire.ts'
import type { WireOptions } from './acceptor.ts'
import { listenWire } from './listen-wire.ts'

const request = 'GET / HTTP/1.1\r\nHost: x\r\n\r\n'
const cleanUp = new AsyncDisposableStack()
afterAll(() => cleanUp.disposeAsync())
const logged: string[] = []
afterEach(() => {
  logged.length = 0
})

function open(limits: NonNullable<WireOptions['limits']>, more: Partial<WireOptions> = {}): Listener {
  const log = (error: unknown) => void logged.push((error as Error).message)
  const handler = () => ({ status: 200, headers: {}, body: 'here' })
  const listener = listenWire(handler, {
    host: '127.0.0.1',
    port: 0,
    limits: { lingerMs: 200, ...limits },
    log,
    ...more,
  })
  cleanUp.defer(() => listener.stop(0))
  return listener
}

/** The status that a new connection gets, which then stays open. */
async function join({ port }: Listener, before = ''): Promise<[number, WireConnection]> {
  const wire = await openWire({ port })
  cleanUp.use(wire)
  await wire.send(before + request)
  return [(await wire.receive()).status, wire]
}

const proxied = (client: string) => `PROXY TCP4 ${client} 192.0.2.1 1 2\r\n`

test('one network has its share, and another one has room beside it', async () => {
  const listener = open({ maxConnectionsPerClient: 2 }, { isTrustedProxy: () => true, proxyProtocol: 'on' })
  const [first, wire] = await join(listener, proxied('198.51.100.1'))
  const [second] = await join(listener, proxied('198.51.100.2'))
  const [third, away] = await join(listener, proxied('198.51.100.3'))
  const [other] = await join(listener, proxied('203.0.113.3'))
  expect([first, second, third, other]).toEqual([200, 200, 503, 200])
  expect(logged).toEqual([expect.stringContaining('a network has 2 connections open')])
  // Closed by us although the client stays.
  await away.ended
  await wire[Symbol.asyncDispose]()
  let status = 0
  while (status !== 200) status = (await join(listener, proxied('198.51.100.3')))[0]
})

test('a proxy that names no client has no share, for it stands for many', async () => {
  const listener = open({ maxConnectionsPerClient: 1 }, { isTrustedProxy: () => true })
  for (let i = 0; i < 5; i++) expect((await join(listener))[0]).toBe(200)
  const others = open({ maxConnectionsPerClient: 1 })
  expect((await join(others))[0]).toBe(200)
  expect((await join(others))[0]).toBe(503)
})

test('those that are turned away and stay are closed, and past a tenth more nobody is told', async () => {
  const listener = open({ maxConnections: 10, lingerMs: 60_000 })
  for (let i = 0; i < 10; i++) expect((await join(listener))[0]).toBe(200)
  expect((await join(listener))[0]).toBe(503)
  const wire = await openWire(listener)
  expect(await wire.ended).toEqual(Buffer.alloc(0))
  expect(logged).toEqual([expect.stringContaining('10 connections are open')])
})
