// How many clients wait for a proof at once, in all and of one network: the next are not made to wait.
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'bun:test'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  digestOf,
  type FaultyHost,
  type FrontFixture,
  goodHost,
  layer,
  makeAsk,
  openFront,
  placed,
  startHost,
} from '../../../test/kit/front-door.ts'
import { answerFront } from './answer-front.ts'
import { BoundedCounts } from './bounded-counts.ts'
import { frontDefaults } from './front-door.ts'

let folder: string
let host: FaultyHost
let waiting: (() => void)[]
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'held-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))
beforeEach(async () => {
  waiting = []
  host = await startHost((answer) => void waiting.push(() => goodHost(answer)))
})
afterEach(() => host.stop())

async function openHolding(limits: { maxHeld?: number; maxHeldPerPrefix?: number }): Promise<FrontFixture> {
  const fixture = await openFront(folder, { options: { proofs: { ...frontDefaults.proofs, ...limits } } })
  fixture.fleet([placed(1, host.url)], {}, fixture.clock.nowMs - 600_000)
  return fixture
}
const get = async ({ front }: FrontFixture, from: string) =>
  await answerFront(makeAsk(`/v2/fedora/base/blobs/${digestOf(layer)}`, { 'x-forwarded-for': from }), front)
const letGo = async () => {
  while (waiting.length === 0) await new Promise((resolve) => setImmediate(resolve))
  for (const answer of waiting) answer()
}

describe('clients that are held', () => {
  test('beyond the bound are served by the origin at once, and there is room again when others left', async () => {
    const fixture = await openHolding({ maxHeld: 3 })
    const held = [1, 2, 3].map((n) => get(fixture, `192.0.${n}.1`))
    expect(fixture.front.proofs.held.all).toBe(3)
    expect((await get(fixture, '192.0.4.1')).status).toBe(200)
    expect(fixture.front.counters.heldTooMany).toBe(1)
    await letGo()
    expect((await Promise.all(held)).map(({ status }) => status)).toEqual([307, 307, 307])
    expect(host.requests.length).toBe(1)
    expect(fixture.front.proofs.held.all).toBe(0)
    expect((await get(fixture, '192.0.4.1')).status).toBe(307)
  })

  test('of one network do not take the room of others', async () => {
    const fixture = await openHolding({ maxHeldPerPrefix: 2 })
    const held = ['192.0.2.1', '192.0.2.2'].map((from) => get(fixture, from))
    expect((await get(fixture, '192.0.2.3')).status).toBe(200)
    held.push(get(fixture, '198.51.100.1'))
    await letGo()
    expect((await Promise.all(held)).map(({ status }) => status)).toEqual([307, 307, 307])
    expect(fixture.front.counters.heldTooMany).toBe(1)
  })

  test('are counted out when their probe fails', async () => {
    const fixture = await openHolding({ maxHeld: 1 })
    host.fault = ({ response }) => response.writeHead(500).end()
    for (let n = 0; n < 3; n++) expect((await get(fixture, `192.0.${n}.1`)).status).toBe(200)
    expect(fixture.front.counters.heldTooMany).toBe(0)
    expect(fixture.front.proofs.held.all).toBe(0)
  })
})

test('a probe may take four round trips of its host, and a second at least', async () => {
  const timeouts: number[] = []
  for (const roundTripMs of [0, 20, 250, 300, 900, 5_000]) {
    const outbound = {
      send: async ({ totalMs }: { totalMs: number }) => {
        timeouts.push(totalMs)
        throw new Error('asked for the time only')
      },
    }
    const fixture = await openFront(folder, { parts: { outbound } })
    fixture.fleet([placed(1, host.url)], { roundTripMs }, fixture.clock.nowMs - 600_000)
    await get(fixture, '192.0.2.1')
  }
  expect(timeouts).toEqual([1_000, 1_000, 1_000, 1_200, 3_600, 5_000])
})

test('counts are exact and forget who left', () => {
  const counts = new BoundedCounts(3, 2)
  expect([1, 1, 1, 2, 3].map((prefix) => counts.enter(prefix))).toEqual([true, true, false, true, false])
  counts.leave(1)
  expect([counts.enter(3), counts.enter(1)]).toEqual([true, false])
  for (const prefix of [1, 2, 3]) counts.leave(prefix)
  expect(counts.all).toBe(0)
  expect([1, 1, 1].map((prefix) => counts.enter(prefix))).toEqual([true, true, false])
})
