// Stream mode over real sockets: what a client sees of a cut, what its leaving stops, and what many slow ones cost in memory.
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'bun:test'
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtemp, open as openFile, rm } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Listener } from '#http/listener.ts'
import { OutboundClient } from '#http/outbound/outbound-client.ts'
import { listenWire } from '#http/wire/listen-wire.ts'
import { makeDigest } from '#oci/digest.ts'
import { answerFront } from '#stages/redirect/answer-front.ts'
import { streamDefaults } from '#stages/redirect/blob-streams.ts'
import { originLimitDefaults } from '#stages/redirect/origin-budget.ts'
import { remoteSource } from '#stages/redirect/stream-source.ts'
import { StreamedBlob } from '#stages/redirect/streamed-blob.ts'
import { type BreakingHost, brokenBodies, brokenHeads, good, startBreakingHost, wrongAt } from '../kit/breaking-host.ts'
import { digestOf, type FrontFixture, layer, openFront, placed } from '../kit/front-door.ts'
import { waitUntil } from '../kit/wait-until.ts'
import { openWire } from '../kit/wire.ts'

let folder: string
let near: BreakingHost
let far: BreakingHost
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'stream-mode-'))
  near = await startBreakingHost(layer)
  far = await startBreakingHost(layer)
})
afterAll(async () => {
  for (const host of [near, far]) await host[Symbol.asyncDispose]()
  await rm(folder, { recursive: true, force: true })
})
beforeEach(() => {
  for (const host of [near, far]) host.how = good
})

const request = (range = '') =>
  `GET /v2/fedora/base/blobs/${digestOf(layer)} HTTP/1.1\r\nhost: front\r\nx-forwarded-for: 192.0.2.7\r\n${range}\r\n`

type Served = FrontFixture & AsyncDisposable & { readonly port: number; readonly errors: unknown[] }

async function serve(mode: 'stream' | 'origin' = 'stream'): Promise<Served> {
  const fixture = await openFront(folder, {
    options: {
      clientRules: [{ product: '*', kind: 'normal', mode }],
      streams: { ...streamDefaults, firstByteMs: 1_000, stallMs: 1_000, wholeBytes: 0 },
      origin: { ...originLimitDefaults, transfers: 1 },
    },
    parts: { now: Date.now },
  })
  fixture.fleet([placed(1, near.url, { netblocks: ['192.0.2.0/24'] }), placed(2, far.url)], {}, Date.now())
  const errors: unknown[] = []
  const listener: Listener = listenWire((ask) => answerFront(ask, fixture.front), {
    host: '127.0.0.1',
    port: 0,
    log: (error) => errors.push(error),
  })
  return { ...fixture, port: listener.port, errors, [Symbol.asyncDispose]: () => listener.stop(0) }
}

test.each([...Object.entries(brokenHeads), ...Object.entries(brokenBodies)])(
  'a host that %s is not seen by the client: a whole layer, with its length',
  async (_, how) => {
    near.how = how
    await using front = await serve()
    await using client = await openWire(front)
    await client.send(request())
    const answer = await client.receive()
    expect([answer.status, answer.header('content-length')]).toEqual([200, String(layer.length)])
    expect(answer.body.equals(layer)).toBe(true)
    // The connection is good for more.
    await client.send(request())
    expect((await client.receive()).body.equals(layer)).toBe(true)
  },
)

test('wrong bytes are a cut that clients can tell from an end, and the next ask is right', async () => {
  near.how = wrongAt(0)
  await using front = await serve()
  await using client = await openWire(front)
  await client.send(request())
  const got = await client.ended
  const bodyAt = got.indexOf('\r\n\r\n') + 4
  expect(got.subarray(0, bodyAt).toString()).toContain(`content-length: ${layer.length}\r\n`)
  expect(got.length - bodyAt).toBeLessThanOrEqual(layer.length - streamDefaults.holdBackBytes)
  expect(front.errors).toHaveLength(1)
  await using again = await openWire(front)
  await again.send(request())
  expect((await again.receive()).body.equals(layer)).toBe(true)
})

describe('a client that hangs up', () => {
  test('while a host is silent stops the reading at once, and nobody is blamed', async () => {
    near.how = brokenBodies['falls silent midway']!
    await using front = await serve()
    const before = near.openSockets
    const client = await openWire(front)
    await client.send(request())
    await waitUntil(() => near.openSockets > before && front.front.streams.running === 1, { what: 'a stream runs' })
    client.reset()
    await waitUntil(() => front.front.streams.running === 0 && near.openSockets <= before, { what: 'it is broken off' })
    await client[Symbol.asyncDispose]()
    expect([front.evidence, front.errors]).toEqual([[], []])
  })

  test('while it waits for the origin leaves the queue', async () => {
    await using front = await serve('origin')
    const { origin } = front.front
    const held = origin.start(1, 1)!
    const clients = await Promise.all([1, 2, 3].map(() => openWire(front)))
    for (const client of clients) await client.send(request())
    await waitUntil(() => origin.waiting === 3, { what: 'all wait' })
    clients[0]!.reset()
    clients[1]!.finish()
    await waitUntil(() => origin.waiting === 1, { what: 'two have left' })
    held.end()
    expect((await clients[2]!.receive()).body.equals(layer)).toBe(true)
    await waitUntil(() => origin.running === 0, { what: 'nothing is held any more' })
    for (const client of clients) await client[Symbol.asyncDispose]()
    expect(front.front.counters.originLeft).toBe(2)
  })
})

const mib = 1024 * 1024
const bigBytes = 200 * mib

/** A file in which no piece is like another, and its digest. */
async function writeBig(path: string) {
  const file = await openFile(path, 'w')
  const hash = createHash('sha256')
  const piece = Buffer.alloc(mib, 'flotilla ')
  for (let i = 0; i < bigBytes / mib; i++) {
    piece.writeUInt32BE(i)
    hash.update(piece)
    await file.write(piece)
  }
  await file.close()
  return makeDigest('sha256', hash.digest('hex'))
}

describe('a large layer', () => {
  let digest: Awaited<ReturnType<typeof writeBig>>
  let host: { readonly url: string; stop(): void }
  let listener: Listener
  const outbound = new OutboundClient({ allowPrivate: true, userAgent: 'test' })
  const ends: string[] = []
  beforeAll(async () => {
    const path = join(folder, 'big')
    digest = await writeBig(path)
    const child = spawn(process.execPath, [join(import.meta.dir, '../kit/serve-file.ts'), path])
    const port = await new Promise<string>((resolve) => child.stdout.once('data', (text) => resolve(`${text}`.trim())))
    host = { url: `http://127.0.0.1:${port}`, stop: () => child.kill() }
    listener = listenWire(
      async () => {
        const blob = { digest, sizeBytes: bigBytes }
        const placing = { host: placed(1, host.url), url: host.url }
        const source = { outbound, host: placing, url: host.url, blob, userAgent: 'x', limits: streamDefaults }
        const body = new StreamedBlob({
          blob,
          sources: [remoteSource(source)],
          lastly: [],
          holdBackBytes: streamDefaults.holdBackBytes,
          wholeMs: 0,
          watch: {
            failed: () => {},
            opened: () => {},
            read: () => {},
            wrong: () => {},
            ended: (_, fate) => void ends.push(fate),
          },
        })
        expect(await body.start()).toBe(true)
        return { status: 200, headers: {}, body }
      },
      { host: '127.0.0.1', port: 0, log: () => undefined },
    )
  })
  afterAll(async () => {
    await listener.stop(0)
    await outbound[Symbol.asyncDispose]()
    host.stop()
  })

  test('comes whole', async () => {
    const startedAt = performance.now()
    const hash = createHash('sha256')
    const answer = await fetch(`http://127.0.0.1:${listener.port}/`)
    for await (const chunk of answer.body!) hash.update(chunk)
    expect(makeDigest('sha256', hash.digest('hex'))).toBe(digest)
    console.log(
      `one stream: ${Math.round(200 / ((performance.now() - startedAt) / 1000))} MiB/s with its client and their hashing`,
    )
    await waitUntil(() => ends[0] === 'whole', { what: 'the stream has ended' })
  })

  test('and many slow readers of it cost what lies in buffers, not what they did not read', async () => {
    ends.length = 0
    Bun.gc(true)
    const before = process.memoryUsage().rss
    let peak = before
    const readers = Array.from({ length: 20 }, () => slowReader(listener.port))
    await waitUntil(
      () => {
        peak = Math.max(peak, process.memoryUsage().rss)
        return readers.every(({ readBytes }) => readBytes >= 4 * mib)
      },
      { what: 'each has read 4 MiB' },
    )
    const growth = Math.round((peak - before) / mib)
    console.log(`20 slow readers of a 200 MiB layer: peak growth ${growth} MiB`)
    expect(growth).toBeLessThan(200)
    for (const reader of readers) reader.socket.destroy()
    await waitUntil(() => ends.length === 20, { what: 'all streams have ended' })
    expect(new Set(ends)).toEqual(new Set(['cut']))
  })
})

/** Takes one piece at a time, and a while for each. */
function slowReader(port: number) {
  const socket = connect(port, '127.0.0.1')
  const reader = { socket, readBytes: 0 }
  socket.on('error', () => undefined)
  socket.on('data', (chunk) => {
    reader.readBytes += chunk.length
    socket.pause()
    setTimeout(() => socket.resume(), 20)
  })
  socket.write('GET / HTTP/1.1\r\nhost: x\r\n\r\n')
  return reader
}
