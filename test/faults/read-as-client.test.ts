// How often hosts are read as clients read, and what such a read says.

import { afterAll, beforeAll, expect, test } from 'bun:test'
import { rmSync } from 'node:fs'
import { type ClientReadOptions, ClientReads } from '#stages/mirror/read-as-client.ts'
import { describeWith } from '../kit/need-tool.ts'
import { seeded } from '../kit/seeded.ts'
import { Fleet } from './fleet.ts'

const options: ClientReadOptions = {
  maxBytes: 1_000_000,
  maxRunning: 2,
  idleMs: 5_000,
  totalMs: 20_000,
  firstWaitMs: 10_000,
  strikeWaitMs: 20_000,
  longestWaitMs: 60_000,
}

describeWith('reads as clients read', ['nginx'])('reads as clients read', () => {
  let fleet: Fleet
  beforeAll(async () => {
    fleet = await Fleet.open()
    await fleet.publish(1, 2)
  })
  afterAll(() => fleet[Symbol.asyncDispose]())

  async function readsOf(name: string) {
    const host = await fleet.addHost(name)
    const target = { hostId: 1, urls: [host.url], hasTicket: true }
    const clock = { nowMs: 0 }
    const tools = { client: fleet.client(), blobs: fleet.origin, random: seeded(7), now: () => clock.nowMs }
    const reads = new ClientReads(tools, options)
    const readAt = (atMs: number, isStrike = false, blob = fleet.blobs[0]!) => {
      clock.nowMs = atMs
      return reads.read(target, blob, { isStrike })
    }
    return { host, readAt }
  }

  test('of a host that passes they come ever more seldom, for strikes a little oftener', async () => {
    const { readAt } = await readsOf('sound')
    expect(await readAt(0)).toBe('passed')
    expect(await readAt(9_000)).toBeUndefined()
    expect(await readAt(10_000)).toBe('passed')
    expect(await readAt(29_000)).toBeUndefined()
    expect(await readAt(30_000)).toBe('passed')
    expect(await readAt(49_000, true)).toBeUndefined()
    expect(await readAt(50_000, true)).toBe('passed')
    expect(await readAt(109_000)).toBeUndefined()
    expect(await readAt(110_000)).toBe('passed')
  })

  test('a blob that probes miss as well is their business and closes nothing; nor is a very large one read', async () => {
    const { host, readAt } = await readsOf('lacking')
    const [blob] = fleet.blobs
    rmSync(fleet.fileOf(host.tree, blob!))
    expect(await readAt(0)).toBeUndefined()
    expect(await readAt(1_000_000, true, { ...blob!, sizeBytes: 2_000_000 })).toBeUndefined()
  })
})
