// The origin role as machines that copy the tree meet it, over sockets: docs/operate.md, "After a publication".

import { afterAll, afterEach, beforeEach, describe, expect, test } from 'bun:test'
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Digest } from '#oci/digest.ts'
import { answerFront } from '#stages/redirect/answer-front.ts'
import { digestOf, layer, makeAsk, openFront, placed } from '../kit/front-door.ts'
import { type OriginFixture, openOrigin, pathOf } from '../kit/origin-role.ts'
import { startTreeOrigin } from '../kit/tree-origin.ts'
import { waitUntil } from '../kit/wait-until.ts'

const root = await mkdtemp(join(tmpdir(), 'origin-rush-'))
let count = 0
let origin: OriginFixture
let blob: Digest
const bytes = randomBytes(100_000)
const opened: AsyncDisposable[] = []

async function start(flags: Parameters<typeof openOrigin>[1] = {}, content: Uint8Array = bytes): Promise<void> {
  origin = await openOrigin(join(root, `${count++}`), { originSeeds: '2', originHeadStart: '0s', ...flags })
  opened.push(origin)
  blob = await origin.tree.add(content)
  await origin.publish()
  // Somebody to wait for: a host that has nothing yet.
  await origin.place([placed(9, 'http://10.0.0.9', { generation: 0 })])
}
beforeEach(() => void (opened.length = 0))
afterEach(async () => {
  for (const one of opened.reverse()) await one[Symbol.asyncDispose]()
})
afterAll(() => rm(root, { recursive: true, force: true }))

const id = (n: number) => ({ 'flotilla-replica': n.toString(16).padStart(32, '0') })
/** A replica of its own network. */
const ask = (n: number, headers: Record<string, string> = {}, path = pathOf(blob)) =>
  origin.get(path, `198.51.${n}.7`, { ...id(n), ...headers })
const statusOf = async (asked: Promise<Response>) => {
  const answer = await asked
  await answer.arrayBuffer()
  return answer.status
}

describe('a blob that no host has', () => {
  test('goes to the first who ask; others are told when to ask again, and why', async () => {
    await start()
    expect(Buffer.from(await (await ask(1)).arrayBuffer())).toEqual(bytes)
    expect(await statusOf(ask(2, { range: 'bytes=5-' }))).toBe(206)
    const third = await ask(3)
    expect(third.status).toBe(503)
    expect(Number(third.headers.get('retry-after'))).toBeGreaterThan(0)
    expect(third.headers.get('cache-control')).toBe('no-store')
    expect(await third.text()).toContain('2 replicas copy this generation first')
  })

  test('what is small is always answered, and so is what needs no bytes', async () => {
    await start()
    for (const n of [1, 2]) await statusOf(ask(n))
    for (const path of ['/metadata/timestamp.json', '/lists/1.gz', '/catalogue/1.pack'])
      expect([path, await statusOf(ask(3, {}, path))]).toEqual([path, 200])
    expect(await statusOf(ask(3, { 'if-none-match': `"${blob}"` }))).toBe(304)
    expect(await statusOf(ask(3, { range: 'bytes=999999-' }))).toBe(416)
    const head = await fetch(origin.url + pathOf(blob), { method: 'HEAD', headers: id(3) })
    expect([head.status, head.headers.get('content-length')]).toEqual([200, '100000'])
    expect(await statusOf(ask(3))).toBe(503)
  })

  test('users get it whatever replicas do', async () => {
    await start({ originUserBlobs: '1' })
    for (const n of [1, 2]) await statusOf(ask(n))
    const ticket = origin.ticketFor(blob, '198.51.100.9')
    const sent = () => statusOf(origin.get(`${pathOf(blob)}?t=${ticket}`, '198.51.100.9'))
    expect([await sent(), await sent(), await sent()]).toEqual([200, 200, 200])
    const docker = () =>
      statusOf(origin.get(pathOf(blob), '203.0.113.9', { 'user-agent': 'docker/28.5.2 go/go1.24.8' }))
    expect([await docker(), await docker()]).toEqual([200, 503])
    expect(await statusOf(origin.get(pathOf(blob), '203.0.113.9', { 'user-agent': 'curl/8.14.1' }))).toBe(503)
  })

  test('and those whom a front door sends are users', async () => {
    await start({}, layer)
    for (const n of [1, 2]) await statusOf(ask(n))
    const parts = { openBlob: undefined, ticketKey: origin.ticketKey, now: Date.now }
    const { front } = await openFront(root, { options: { originUrl: origin.url }, parts })
    const path = `/v2/fedora/base/blobs/${digestOf(layer)}`
    const sent = await answerFront(makeAsk(path, { 'x-forwarded-for': '203.0.113.77' }), front)
    expect(sent.status).toBe(307)
    const target = (sent.headers.location as string).slice(origin.url.length)
    const answer = await origin.get(target, '203.0.113.77')
    expect([answer.status, Buffer.from(await answer.arrayBuffer())]).toEqual([200, layer])
    expect(await statusOf(origin.get(target, '198.51.100.1'))).toBe(503)
  })

  test('a channel beside the first has a tree and waiters of its own', async () => {
    await start({ publicChannels: 'testing,stable', originHold: '100ms' })
    for (const n of [1, 2]) await statusOf(ask(n))
    expect(await statusOf(ask(3, {}, `/channels/testing${pathOf(blob)}`))).toBe(404)
    expect(await statusOf(ask(3, {}, '/channels/testing/generations/next?after=0&x'))).toBe(204)
  })
})

describe('a blob that a host has', () => {
  test('comes from there, unless that host failed the replica or is it', async () => {
    await start()
    const host = startTreeOrigin(origin.tree.folder)
    opened.push({ [Symbol.asyncDispose]: () => host.listener.stop(0) })
    const hosts = [placed(1, host.url, { name: 'mirror.example.org', generation: 1 })]
    await origin.place(hosts)
    const answer = await ask(1)
    expect(Object.fromEntries(answer.headers)).toMatchObject({
      location: host.url + pathOf(blob),
      'cache-control': 'no-store',
      'flotilla-host': 'mirror.example.org',
    })
    const followed = await fetch(origin.url + pathOf(blob), { headers: { 'x-forwarded-for': '198.51.1.7', ...id(1) } })
    expect([followed.url, Buffer.from(await followed.arrayBuffer())]).toEqual([host.url + pathOf(blob), bytes])
    expect(await statusOf(ask(1, { 'flotilla-avoid': 'other, mirror.example.org' }))).toBe(200)
    expect(await statusOf(ask(2, { 'flotilla-host': 'mirror.example.org' }))).toBe(200)
    expect(await statusOf(ask(3))).toBe(307)
  })

  test('a generation that is newer than the host comes from here, the one before from there', async () => {
    await start()
    const first = blob
    await origin.place([placed(1, 'http://10.0.0.1', { generation: 1 })])
    blob = await origin.tree.add(randomBytes(1000))
    await origin.publish()
    expect(await statusOf(ask(1))).toBe(200)
    expect(await statusOf(ask(1, {}, pathOf(first)))).toBe(307)
  })
})

describe('budgets', () => {
  const large = Buffer.alloc(24 << 20, 7)
  /** Asks and reads nothing but the beginning. */
  async function openSlowly(n: number): Promise<Socket> {
    const { hostname, port } = new URL(origin.url)
    const socket = connect(Number(port), hostname)
    socket.write(`GET ${pathOf(blob)} HTTP/1.1\r\nhost: x\r\nx-forwarded-for: 198.51.${n}.7\r\n`)
    socket.write(`flotilla-replica: ${id(n)['flotilla-replica']}\r\n\r\n`)
    const status = await new Promise<string>((resolve) =>
      socket.once('data', (chunk) => resolve(chunk.toString('latin1', 9, 12))),
    )
    socket.pause()
    expect(status).toBe('200')
    return socket
  }

  test('so many answers at once for one replica and in all; none for users; a broken one gives its place on', async () => {
    await start({ originReplicaStreams: '3', originReplicaStreamsEach: '2', originSeeds: '8' }, large)
    const slow = [await openSlowly(1), await openSlowly(1)]
    expect(await (await ask(1)).text()).toContain('this replica')
    slow.push(await openSlowly(2))
    expect(await (await ask(3)).text()).toContain('as many answers to replicas')
    const user = await origin.get(`${pathOf(blob)}?t=${origin.ticketFor(blob, '192.0.2.1')}`, '192.0.2.1')
    expect((await user.arrayBuffer()).byteLength).toBe(large.length)
    for (const one of slow) one.destroy()
    await waitUntil(async () => (await statusOf(ask(3))) === 200, { what: 'the places are free', everyMs: 50 })
  })

  test('an answer that nobody reads is cut off', async () => {
    await start({ originReplicaStreams: '1', stall: '300ms' }, large)
    const stuck = await openSlowly(1)
    const closed = new Promise((resolve) => stuck.once('close', resolve))
    await waitUntil(async () => (await statusOf(ask(2))) === 200, { what: 'the place is free', everyMs: 50 })
    stuck.resume()
    await closed
  })
})

describe('GET /generations/next', () => {
  const next = (n: number, after: number | string, init: RequestInit = {}) =>
    fetch(`${origin.url}/generations/next?after=${after}`, {
      headers: { 'x-forwarded-for': `198.51.${n}.7`, ...id(n) },
      ...init,
    })

  test('is held until there is one, and all waves hear of it', async () => {
    await start({ originWave: '200ms' })
    const waiting = Array.from({ length: 7 }, async (_, n) => (await next(n, 1)).json())
    await origin.publish()
    expect(await Promise.all(waiting)).toEqual(new Array(7).fill({ generation: 2, afterSeconds: 0 }))
    expect(await (await next(1, 1)).json()).toEqual({ generation: 2, afterSeconds: 0 })
    expect(await (await next(1, 0)).json()).toEqual({ generation: 2, afterSeconds: 0 })
  })

  test('ends without news after the hold', async () => {
    await start({ originHold: '200ms' })
    const answer = await next(1, 1)
    expect([answer.status, answer.headers.get('cache-control')]).toEqual([204, 'no-store'])
  })

  test('has so many places, and one that hung up leaves its own', async () => {
    await start({ originWaiters: '1' })
    const leaving = new AbortController()
    const first = next(1, 1, { signal: leaving.signal }).catch(() => 'left')
    const refused = await waitUntil(
      async () => {
        const answer = await next(2, 1, { signal: AbortSignal.timeout(200) })
        return answer.status === 503 ? answer : undefined
      },
      { what: 'no place is left', everyMs: 50 },
    )
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(30)
    leaving.abort()
    expect(await first).toBe('left')
    const second = waitUntil(async () => ((await next(3, 1)).status === 200 ? true : undefined), { what: 'a place' })
    await origin.publish()
    expect(await second).toBe(true)
  })

  test('is let go when the origin stops', async () => {
    await start()
    const waiting = next(1, 1)
    // Behind it on the same machine: when this is answered, the other one waits.
    await statusOf(ask(2, {}, '/metadata/timestamp.json'))
    await origin[Symbol.asyncDispose]()
    expect((await waiting).status).toBe(204)
  })

  test.each(['', '-1', 'x', '01', '1e3'])('after=%p is refused with what it takes', async (after) => {
    await start()
    const answer = await next(1, after)
    expect([answer.status, await answer.text()]).toEqual([400, expect.stringContaining('?after=<number>')])
  })

  test('is GET alone, of channels that are here, and unknown to a plain tree', async () => {
    await start()
    expect(await statusOf(next(1, 0, { method: 'HEAD' }))).toBe(405)
    for (const path of [
      '/channels/other/generations/next?after=0',
      '/x/generations/next?after=0',
      '/generations/next/',
    ])
      expect([path, await statusOf(ask(1, {}, path))]).toEqual([path, 404])
    const plain = startTreeOrigin(origin.tree.folder)
    opened.push({ [Symbol.asyncDispose]: () => plain.listener.stop(0) })
    expect(await statusOf(fetch(`${plain.url}/generations/next?after=0`))).toBe(404)
  })
})
