// Two families of one name: a server on each loopback address, and a resolver that knows both.

import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { createServer, type Server } from 'node:http'
import { networkInterfaces } from 'node:os'
import { digestOf } from '#blobs/hashing.ts'
import { OutboundClient } from '#http/outbound/outbound-client.ts'
import { LivenessWatch } from './check-liveness.ts'
import type { TreeBlob } from './host-records.ts'

const bytes = new Uint8Array(4096).map((_, i) => (i * 31) % 251)
const blob: TreeBlob = { digest: digestOf(bytes), sizeBytes: bytes.length, generation: 1 }
const hasIpv6 = Object.values(networkInterfaces()).some((all) => all?.some(({ address }) => address === '::1'))

describe.skipIf(!hasIpv6)('a name with both families', () => {
  const servers = new Map<string, Server>()
  const asked: string[] = []
  let port: number
  let client: OutboundClient

  function listen(address: string, at: number): Promise<number> {
    const server = createServer((request, response) => {
      asked.push(address)
      const [first = 0, last = 0] = /bytes=(\d+)-(\d+)/
        .exec(request.headers.range ?? '')!
        .slice(1)
        .map(Number)
      response.writeHead(206, { 'content-range': `bytes ${first}-${last}/${bytes.length}` })
      response.end(bytes.subarray(first, last + 1))
    })
    servers.set(address, server)
    return new Promise((resolve) =>
      server.listen(at, address, () => resolve((server.address() as { port: number }).port)),
    )
  }

  function close(address: string): Promise<void> {
    const server = servers.get(address)!
    server.closeAllConnections()
    return new Promise((resolve) => server.close(() => resolve()))
  }

  beforeAll(async () => {
    port = await listen('::1', 0)
    await listen('127.0.0.1', port)
    const resolve = async () => ['::1', '127.0.0.1']
    client = new OutboundClient({ allowPrivate: true, userAgent: 'test', resolve })
  })

  afterAll(async () => {
    await client[Symbol.asyncDispose]()
    for (const server of servers.values()) server.close()
  })

  test('the one in use is looked at each round, the other now and then; either keeps it alive for its own clients', async () => {
    let nowMs = 0
    const blobs = {
      verify: async () => 'good' as const,
      open: async (_: string, range?: { first: number; last: number }) => {
        const part = bytes.subarray(range!.first, range!.last + 1)
        const stream = () => new Blob([part]).stream()
        return { sizeBytes: part.length, file: undefined, stream, [Symbol.asyncDispose]: async () => undefined }
      },
    }
    const watch = new LivenessWatch(
      { client, blobs, random: () => 0.5, now: () => nowMs, log: () => undefined },
      { concurrency: 2, blockBytes: 64, idleMs: 2_000, totalMs: 4_000, otherFamilyEveryMs: 60_000 },
    )
    const round = async () => {
      nowMs += 10_000
      asked.length = 0
      const [host] = await watch.check([{ hostId: 1, urls: [`http://dual.example:${port}`], blob }])
      const { isAlive, families } = host!.urls[0]!
      return { isAlive, families: [...families].sort(), asked: [...asked] }
    }
    expect(await round()).toEqual({ isAlive: true, families: [6], asked: ['::1'] })
    expect(await round()).toEqual({ isAlive: true, families: [4, 6], asked: ['::1', '127.0.0.1'] })
    expect(await round()).toEqual({ isAlive: true, families: [4, 6], asked: ['::1'] })
    await close('::1')
    // The other one is known to be good, so it is asked at once.
    expect(await round()).toEqual({ isAlive: true, families: [4], asked: ['127.0.0.1'] })
    await close('127.0.0.1')
    expect(await round()).toMatchObject({ isAlive: false })
    await listen('127.0.0.1', port)
    expect(await round()).toMatchObject({ isAlive: false })
    expect(await round()).toMatchObject({ isAlive: true, families: [4] })
    await listen('::1', port)
    for (let i = 0; i < 6; i++) await round()
    expect(await round()).toMatchObject({ isAlive: true, families: [4, 6] })
  })
})
