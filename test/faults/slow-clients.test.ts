// Clients that send a byte now and then, and clients that ask for much and read nothing: each costs what its limits say and no more,
// and the others are served meanwhile.

import { afterAll, beforeAll, expect, test } from 'bun:test'
import { connect, type Socket } from 'node:net'
import { config, digestOf, largeConfig } from '../kit/front-door.ts'
import { type HostileTarget, startHostileTarget } from '../kit/hostile-target.ts'
import { waitUntil } from '../kit/wait-until.ts'
import { openWire } from '../kit/wire.ts'

const limits = {
  headerTimeoutMs: 3000,
  idleTimeoutMs: 8000,
  sendStallMs: 4000,
  lingerMs: 500,
  maxConnectionsPerClient: 250,
}
const many = limits.maxConnectionsPerClient
const unread = 100
/** What a connection that is stuck may hold in our memory: two pieces of a file, unread requests, and its share of slack. */
const mostBytesEach = 2 * 1024 * 1024

let target: HostileTarget
beforeAll(async () => {
  target = await startHostileTarget(limits)
})
afterAll(() => target[Symbol.asyncDispose]())

const from = (client: string) => `PROXY TCP4 ${client} 192.0.2.1 1 2\r\n`
const get = (path: string) => `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`

type Slow = { readonly socket: Socket; received: string; isClosed: boolean }

function openSlow(first: string, isReading: boolean): Slow {
  const slow: Slow = { socket: connect({ port: target.port, host: '127.0.0.1' }), received: '', isClosed: false }
  slow.socket.on('error', () => undefined)
  slow.socket.on('close', () => {
    slow.isClosed = true
  })
  if (isReading) slow.socket.on('data', (chunk) => (slow.received += chunk))
  else slow.socket.pause()
  slow.socket.write(first)
  return slow
}

/** What a client of another network gets. */
async function served(): Promise<string> {
  await using wire = await openWire(target)
  await wire.send(from('203.0.113.9') + get(`/v2/fedora/base/blobs/${digestOf(config)}`))
  return (await wire.receive()).body.toString()
}

/** What one more client of the network of the slow ones gets. */
async function oneMore(): Promise<number> {
  await using wire = await openWire(target)
  await wire.send(from('198.51.100.250') + get('/v2/'))
  return (await wire.receive()).status
}

test('slow writers are told so and closed, and meanwhile take no place of another network', async () => {
  const before = target.residentBytes()
  const slow = Array.from({ length: many }, () => openSlow(`${from('198.51.100.7')}GET /v2/ HTTP/1.1\r\nX: `, true))
  await waitUntil(async () => (await oneMore()) === 503, { what: 'a network that has its share' })
  const trickle = setInterval(() => {
    for (const { socket } of slow) socket.write('a')
  }, 50)
  expect(await served()).toBe(config.toString())
  await waitUntil(() => slow.every(({ isClosed }) => isClosed), { what: 'the end of every slow writer' })
  clearInterval(trickle)
  expect(new Set(slow.map(({ received }) => received.slice(0, 12)))).toEqual(new Set(['HTTP/1.1 408']))
  expect(target.residentBytes() - before).toBeLessThan(many * mostBytesEach)
  await waitUntil(async () => (await oneMore()) === 200, { what: 'room for that network' })
})

test('clients that never read are cut off, and hold little of our memory until then', async () => {
  const before = target.residentBytes()
  const asked = get(`/v2/fedora/base/blobs/${digestOf(largeConfig)}`).repeat(300)
  const slow = Array.from({ length: unread }, () => openSlow(from('198.51.100.7') + asked, false))
  expect(await served()).toBe(config.toString())
  let most = 0
  await waitUntil(
    () => {
      most = Math.max(most, target.residentBytes() - before)
      return slow.every(({ isClosed }) => isClosed)
    },
    { what: 'the end of those that never read' },
  )
  console.log(`${unread} clients that never read: at most ${(most / unread / 1024).toFixed(0)} KiB each`)
  expect(most).toBeLessThan(unread * mostBytesEach)
  expect(await served()).toBe(config.toString())
  expect(target.logged().filter((line) => !line.includes('its share'))).toEqual([])
})
