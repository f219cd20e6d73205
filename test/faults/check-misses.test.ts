// A blob that a host is said to lack: looked for on a real server, kept as an exception, and given back by the next crawl that finds it.

import { afterAll, beforeAll, expect, test } from 'bun:test'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { MissChecks, type MissOptions } from '#stages/mirror/check-misses.ts'
import { crawlHost } from '#stages/mirror/crawl-host.ts'
import { describeWith } from '../kit/need-tool.ts'
import { seeded } from '../kit/seeded.ts'
import { Fleet, hostRecord, MemoryRecords } from './fleet.ts'

const options: MissOptions = {
  everyMs: 2_000,
  againMs: 60_000,
  maxRunning: 4,
  maxPerHost: 100,
  blocksPerBlob: 1,
  blockBytes: 64,
  idleMs: 1_000,
  totalMs: 2_000,
}
const crawlOptions = {
  ...options,
  concurrency: 2,
  maxRequests: 1_000,
  maxSampledBytes: 1e6,
  maxMs: 60_000,
  maxRechecks: 10,
  spotChecks: 0,
  saveEveryMs: 60_000,
}

let fleet: Fleet
beforeAll(async () => {
  fleet = await Fleet.open()
  await fleet.publish(1, 4)
  await fleet.publish(2, 2)
})
afterAll(() => fleet[Symbol.asyncDispose]())

async function missesOf(name: string, generation = 2) {
  const host = await fleet.addHost(name)
  const records = new MemoryRecords()
  records.hosts.push(hostRecord(host.url))
  const extra = fleet.blobs.filter((blob) => blob.generation > generation).map(({ digest }) => digest)
  records.presence.set(1, { generation, missing: [], extra })
  const clock = { nowMs: 1_000_000 }
  const tools = {
    client: fleet.client(),
    blobs: fleet.origin,
    tree: fleet.tree,
    records,
    random: seeded(3),
    now: () => clock.nowMs,
  }
  const misses = new MissChecks('stable', tools, options)
  return {
    host,
    records,
    clock,
    tools,
    misses,
    target: { hostId: 1, url: host.url, hasTicket: true },
    told: async () => (await misses.over(records).listPresence('stable')).get(1),
    crawl: () => crawlHost({ host: records.hosts[0]!, channel: 'stable', generation: 2 }, tools, crawlOptions),
  }
}
const [first, second, , , late] = [0, 1, 2, 3, 4].map((i) => () => fleet.blobs[i]!) as (() => Fleet['blobs'][0])[]

describeWith('misses at real servers', ['nginx'])('a blob that a host is said to lack', () => {
  test('and has is no exception', async () => {
    const { misses, target, told, records } = await missesOf('has-it')
    expect(await misses.check(target, first!().digest)).toMatchObject({ verdict: 'good' })
    expect(await told()).toEqual({ generation: 2, missing: [], extra: [] })
    expect(records.saved).toEqual([])
  })

  test('and lacks is one, kept for restarts too, until a crawl finds it there', async () => {
    const { misses, target, told, records, host, clock, crawl } = await missesOf('lacks-it')
    const { digest } = first!()
    rmSync(fleet.fileOf(host.tree, first!()))
    expect(await misses.check(target, digest)).toMatchObject({ verdict: 'lacking' })
    expect(await told()).toEqual({ generation: 2, missing: [digest], extra: [] })
    expect(records.presence.get(1)?.missing).toEqual([digest])
    fleet.copyTo(host.tree, [first!()])
    clock.nowMs += 1_000
    await crawl()
    expect(await told()).toEqual({ generation: 2, missing: [], extra: [] })
  })

  test('with other bytes is one as well, and one of a later generation is held no more', async () => {
    const { misses, target, told, host, clock } = await missesOf('rotten', 1)
    const path = fleet.fileOf(host.tree, second!())
    writeFileSync(path, Buffer.from(readFileSync(path)).fill(0))
    expect(await misses.check(target, second!().digest)).toMatchObject({ verdict: 'wrong' })
    clock.nowMs += options.everyMs
    rmSync(fleet.fileOf(host.tree, late!()))
    expect(await misses.check(target, late!().digest)).toMatchObject({ verdict: 'lacking' })
    const presence = (await told())!
    expect(presence.missing).toEqual([second!().digest])
    expect(presence.extra).not.toContain(late!().digest)
    expect(presence.extra.length).toBe(1)
  })

  test('outlasts a crawl that began before it was known', async () => {
    const { misses, target, told, records, host, clock, crawl } = await missesOf('crawled-meanwhile')
    const { digest } = first!()
    rmSync(fleet.fileOf(host.tree, first!()))
    const before = records.presence.get(1)!
    await misses.check(target, digest)
    // The crawl that ends now knew nothing of it, and keeps what it began with.
    records.presence.set(1, before)
    clock.nowMs += 500
    await records.saveCrawl({
      hostId: 1,
      channel: 'stable',
      startedAtMs: clock.nowMs - 5_000,
      finishedAtMs: clock.nowMs,
      outcome: 'complete',
      reason: '',
      held: 6,
      lacking: 0,
      requests: 1,
      sampledBytes: 1,
      faults: [],
    })
    expect((await told())?.missing).toEqual([digest])
    expect(records.presence.get(1)?.missing).toEqual([digest])
    clock.nowMs += 500
    await crawl()
    expect((await told())?.missing).toEqual([digest])
  })

  test('is looked for rarely, whoever asks: one a time and host, the same not again for a while, and none of another tree', async () => {
    const { misses, target, host, clock } = await missesOf('asked-often')
    const before = host.requests().length
    for (let i = 0; i < 50; i++) await misses.check(target, fleet.blobs[i % 6]!.digest)
    expect(host.requests().length - before).toBe(2)
    for (let i = 0; i < 10; i++) {
      clock.nowMs += options.everyMs
      await misses.check(target, first!().digest)
    }
    expect(host.requests().length - before).toBe(2)
    expect(await misses.check(target, `sha256:${'0'.repeat(64)}`)).toBeUndefined()
    clock.nowMs += options.everyMs
    expect(await misses.check(target, second!().digest)).toMatchObject({ verdict: 'good' })
  })

  test('of a host that cannot be asked says nothing', async () => {
    const { misses, target, told, host } = await missesOf('gone')
    await host[Symbol.asyncDispose]()
    expect(await misses.check(target, first!().digest)).toMatchObject({ verdict: 'unknown' })
    expect((await told())?.missing).toEqual([])
  })
})
