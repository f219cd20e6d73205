// The crawler against real web servers that do what volunteers' servers do: serve well, lack, rot, compress, ignore Range, hang, die.

import { afterAll, beforeAll, expect, test } from 'bun:test'
import { mkdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:net'
import { join } from 'node:path'
import { blobPath, type Digest } from '#oci/digest.ts'
import { timestampPath } from '#snapshots/tree-contents.ts'
import { type CrawlOptions, type CrawlTools, crawlHost } from '#stages/mirror/crawl-host.ts'
import { makeAuthority } from '../kit/certificate-authority.ts'
import { describeWith } from '../kit/need-tool.ts'
import { seeded } from '../kit/seeded.ts'
import { startApache } from '../kit/web-hosts.ts'
import { Fleet, hostRecord, MemoryRecords } from './fleet.ts'

const options: CrawlOptions = {
  concurrency: 4,
  maxRequests: 10_000,
  maxSampledBytes: 100_000_000,
  maxMs: 60_000,
  maxRechecks: 50,
  spotChecks: 2,
  saveEveryMs: 0,
  blocksPerBlob: 2,
  blockBytes: 256,
  idleMs: 5_000,
  totalMs: 10_000,
}

let fleet: Fleet

function crawler(about: Partial<CrawlOptions> = {}, ca?: string) {
  const records = new MemoryRecords()
  const random = seeded(99)
  const tools: CrawlTools = {
    client: fleet.client(ca),
    blobs: fleet.origin,
    tree: fleet.tree,
    records,
    random,
    now: Date.now,
  }
  return {
    saved: records.saved,
    presence: () => records.presence.get(1),
    crawl: (url: string, generation: number, more: Partial<CrawlTools> = {}) =>
      crawlHost(
        { host: hostRecord(url), channel: 'stable', generation },
        { ...tools, ...more },
        { ...options, ...about },
      ),
  }
}

beforeAll(async () => {
  fleet = await Fleet.open()
  await fleet.publish(1, 6)
  await fleet.publish(2, 3)
})

afterAll(() => fleet[Symbol.asyncDispose]())

describeWith('crawling real servers', ['nginx', 'apache2', 'openssl'])('crawling', () => {
  test('a good host is proven, and a second crawl asks only for what is new', async () => {
    const host = await fleet.addHost('good')
    const { crawl, presence } = crawler()
    expect(await crawl(host.url, 1)).toMatchObject({ outcome: 'complete', held: 6, lacking: 0 })
    expect(presence()).toEqual({ generation: 1, missing: [], extra: [] })
    const before = host.requests().length
    const second = await crawl(host.url, 2)
    expect(second).toMatchObject({ outcome: 'complete', lacking: 0 })
    expect(presence()!.generation).toBe(2)
    const asked = host.requests().slice(before)
    const news = fleet.blobs.filter(({ generation }) => generation === 2)
    for (const blob of news) expect(asked.filter(({ path }) => path.includes(blob.digest.slice(7))).length).toBe(3)
    // No probe can be told from a client that comes with a ticket.
    const log = readFileSync(join(fleet.folder, 'good/access.log'), 'utf8')
    for (const [, query] of log.matchAll(/ \/blobs\/[^ ?]*([^ ]*) HTTP/g)) expect(query).toMatch(/^\?t=[\w-]{27}$/)
    // Besides: the hint and two spot checks of three requests each.
    expect(asked.length).toBe(3 * news.length + 1 + 2 * 3)
  })

  test('Apache httpd and https with a private authority do as well', async () => {
    const authority = await makeAuthority(join(fleet.folder, 'authority'))
    const apache = await fleet.addHost('apache', {}, startApache)
    expect(await crawler().crawl(apache.url, 2)).toMatchObject({ outcome: 'complete', held: 9 })
    const secure = await fleet.addHost('secure', { authority, address: '127.0.0.5' })
    const ca = readFileSync(authority.bundle, 'utf8')
    expect(await crawler({}, ca).crawl(secure.url, 2)).toMatchObject({ outcome: 'complete', held: 9 })
    const stranger = await crawler().crawl(secure.url, 2)
    expect(stranger).toMatchObject({ outcome: 'trouble', held: 0 })
    expect(stranger.reason).toMatch(/certificate/)
  })

  test('a missing blob and a short one are exceptions, and are found again when they come', async () => {
    const host = await fleet.addHost('lacking')
    const [gone, short] = fleet.blobs
    rmSync(fleet.fileOf(host.tree, gone!))
    truncateSync(fleet.fileOf(host.tree, short!), 1000)
    const { crawl, presence } = crawler()
    const told = await crawl(host.url, 2)
    expect(told).toMatchObject({ outcome: 'complete', held: 7, lacking: 2 })
    expect(told.faults.map(({ came }) => came).toSorted()).toEqual(['Content-Length: 1000', 'status 404'])
    expect(presence()).toEqual({ generation: 2, missing: [gone!.digest, short!.digest].toSorted(), extra: [] })
    fleet.copyTo(host.tree, [gone!, short!])
    expect(await crawl(host.url, 2)).toMatchObject({ outcome: 'complete', lacking: 0 })
    expect(presence()!.missing).toEqual([])
  })

  test('wrong bytes end the crawl as a lie, and only right ones end the lie', async () => {
    const host = await fleet.addHost('lying')
    const victim = fleet.blobs[2]!
    const right = readFileSync(fleet.fileOf(host.tree, victim))
    writeFileSync(fleet.fileOf(host.tree, victim), Buffer.alloc(right.length, 7))
    const { crawl, presence } = crawler({ concurrency: 1 })
    const told = await crawl(host.url, 2)
    expect(told.outcome).toBe('lying')
    expect(told.faults[0]).toMatchObject({ url: `${host.url}/${blobPath(victim.digest as Digest)}` })
    expect(told.faults[0]!.came).toMatch(/^other bytes at/)
    expect(presence()!.generation).toBe(0)
    expect(await crawl(host.url, 2)).toMatchObject({ outcome: 'lying' })
    writeFileSync(fleet.fileOf(host.tree, victim), right)
    expect(await crawl(host.url, 2)).toMatchObject({ outcome: 'complete' })
    expect(presence()).toEqual({ generation: 2, missing: [], extra: [] })
  })

  test('a blob that is lost after it was proven is found by looking again', async () => {
    const host = await fleet.addHost('losing')
    const { crawl, presence } = crawler({ spotChecks: 40 })
    await crawl(host.url, 2)
    for (const blob of fleet.blobs) rmSync(fleet.fileOf(host.tree, blob))
    expect((await crawl(host.url, 2)).lacking).toBeGreaterThan(0)
    expect(presence()!.missing.length).toBeGreaterThan(4)
  })

  test.each([
    ['compresses', 'gzip on; gzip_types *; gzip_proxied any; gzip_http_version 1.0;', /Content-Encoding: gzip/],
    ['ignores Range', 'max_ranges 0;', /status 200 to a Range request/],
    ['answers with nonsense', 'location /blobs/ { return 418; }', /status 418/],
  ])('a server that %s is unsuitable, and is told why', async (name, directives, reason) => {
    const host = await fleet.addHost(name.replaceAll(' ', '-'), { directives })
    const { crawl, presence } = crawler()
    const told = await crawl(host.url, 2)
    expect(told.outcome).toBe('unsuitable')
    expect(told.reason).toMatch(reason)
    expect(presence()).toEqual({ generation: 0, missing: [], extra: [] })
    expect(host.requests().length).toBeLessThan(20)
  })

  test('a server that sends misses elsewhere lacks them, and the redirect is not followed', async () => {
    const host = await fleet.addHost('redirecting', {
      directives: 'location /blobs/ { return 307 http://169.254.169.254/; }',
    })
    const told = await crawler().crawl(host.url, 1)
    expect(told).toMatchObject({ outcome: 'complete', held: 0, lacking: 6 })
    expect(told.faults[0]!.came).toBe('status 307 to http://169.254.169.254/')
  })

  test('a failing server is trouble: nothing is held against it, and it is soon left alone', async () => {
    const host = await fleet.addHost('failing', { directives: 'location /blobs/ { return 503; }' })
    const { crawl, presence } = crawler()
    expect(await crawl(host.url, 2)).toMatchObject({ outcome: 'trouble', held: 0, lacking: 0 })
    expect(presence()).toEqual({ generation: 0, missing: [], extra: [] })
    expect(host.requests().length).toBeLessThan(12)
  })

  test('a dead host and one that never answers are trouble', async () => {
    const silent = await new Promise<Server>((resolve) => {
      const server = createServer((socket) => void socket.resume()).listen(0, '127.0.0.1', () => resolve(server))
    })
    const { port } = silent.address() as { port: number }
    const quick = crawler({ idleMs: 50, totalMs: 100 })
    expect(await quick.crawl(`http://127.0.0.1:${port}`, 2)).toMatchObject({ outcome: 'trouble' })
    await new Promise((resolve) => silent.close(resolve))
    const told = await quick.crawl(`http://127.0.0.1:${port}`, 2)
    expect(told).toMatchObject({ outcome: 'trouble', requests: 1 })
    expect(told.reason).toMatch(/refused/i)
  })

  test('a crawl that is cancelled ends though its host hangs, and the host does not pay for it', async () => {
    const cancelling = new AbortController()
    const silent = createServer((socket) => {
      socket.resume()
      cancelling.abort()
    })
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', () => resolve()))
    const { port } = silent.address() as { port: number }
    // Without the end from outside it would wait for minutes.
    const patient = crawler({ idleMs: 600_000, totalMs: 600_000 })
    const told = await patient.crawl(`http://127.0.0.1:${port}`, 2, { signal: cancelling.signal })
    expect(told).toMatchObject({ outcome: 'partial', reason: 'it was cancelled', lacking: 0 })
    silent.close()
  })

  test('a host that says it is behind is not asked for more; one that says too much is found out', async () => {
    const host = await fleet.addHost('behind')
    const say = (generation: number) => {
      mkdirSync(join(host.tree, 'metadata'), { recursive: true })
      const timestamp = { signed: { flotilla: { generation } }, signatures: [] }
      writeFileSync(join(host.tree, timestampPath), JSON.stringify(timestamp))
    }
    for (const blob of fleet.blobs.filter(({ generation }) => generation === 2)) rmSync(fleet.fileOf(host.tree, blob))
    say(1)
    const { crawl, presence } = crawler()
    expect(await crawl(host.url, 2)).toMatchObject({ outcome: 'behind', held: 6, lacking: 0 })
    expect(presence()).toEqual({ generation: 1, missing: [], extra: [] })
    say(99)
    expect(await crawl(host.url, 2)).toMatchObject({ outcome: 'complete', lacking: 3 })
    expect(presence()!.missing.length).toBe(3)
  })

  test('a crawl that its budget cuts short is gone on with, and nothing is asked twice', async () => {
    const host = await fleet.addHost('large')
    const { crawl, presence, saved } = crawler({ maxRequests: 8, concurrency: 1, spotChecks: 0 })
    const outcomes: string[] = []
    while (outcomes.at(-1) !== 'complete' && outcomes.length < 20) outcomes.push((await crawl(host.url, 2)).outcome)
    expect(outcomes).toEqual(['partial', 'partial', 'partial', 'complete'])
    expect(presence()).toEqual({ generation: 2, missing: [], extra: [] })
    expect(saved[0]!.extra.length).toBe(1)
    const asked = host.requests().filter(({ path }) => path.startsWith('/blobs/'))
    expect(asked.length).toBe(3 * fleet.blobs.length)
  })

  test('bytes of ours that have rotted are found out when a host has others, and no host pays for it', async () => {
    const host = await fleet.addHost('sound')
    const { crawl, presence } = crawler({ spotChecks: 0 })
    const own = fleet.fileOf(join(fleet.folder, 'origin'), fleet.blobs[0]!)
    const before = readFileSync(own)
    writeFileSync(
      own,
      before.map((byte) => byte ^ 1),
    )
    try {
      await expect(crawl(host.url, 2)).rejects.toThrow(/origin's own .* is damaged/)
    } finally {
      writeFileSync(own, before)
    }
    expect(presence()!.missing).toEqual([])
    expect(await crawl(host.url, 2)).toMatchObject({ outcome: 'complete', lacking: 0 })
  })

  test('trouble of our own is thrown, and no host pays for it', async () => {
    const host = await fleet.addHost('innocent')
    const { crawl, presence } = crawler({ spotChecks: 0 })
    const gone = async () => Promise.reject(new Error('the disk of the origin is gone'))
    const blobs = { open: gone, verify: gone }
    await expect(crawl(host.url, 2, { blobs })).rejects.toThrow(/origin is gone/)
    expect(presence()).toEqual({ generation: 0, missing: [], extra: [] })
  })
})
