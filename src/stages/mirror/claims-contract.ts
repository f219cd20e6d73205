// What claims may rely on, for every engine.

import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'bun:test'
import {
  decideCheckIn,
  findLastCheckIn,
  findLastFinished,
  forgetCheckIns,
  keptCheckIns,
  listCheckIns,
} from '#catalogue/check-ins.ts'
import { addGeneration, markPublished } from '#catalogue/generations.ts'
import { addHost, addSite } from '#catalogue/hosts.ts'
import type { Catalogue } from '#catalogue/schema.ts'
import { RegistryError } from '#oci/errors.ts'
import { hostFacts } from '../../../test/kit/host-facts.ts'
import { type Claim, takeClaim } from './take-claim.ts'

const atMs = 1_764_000_000_000
const hourMs = 3_600_000
export function claimsContract(engine: string, open: () => Promise<Catalogue>): void {
  describe(`claims on ${engine}`, () => {
    let db: Catalogue
    let siteId: number
    let hostId: number
    let count = 0

    beforeAll(async () => {
      db = await open()
      await db.transaction().execute(async (tx) => {
        const about = { organisationUrl: undefined, isPrivate: false, contact: undefined }
        siteId = (await addSite(tx, { name: 'university', ...about }, atMs))!.id
        for (const channel of ['stable', 'testing'])
          for (const number of [1, 2, 3]) {
            await addGeneration(tx, { channel, number, createdAtMs: atMs, actor: 'test', summary: {} })
            if (number < 3) await markPublished(tx, channel, number, {}, atMs)
          }
      })
    }, 60_000)
    afterAll(() => db?.destroy())
    beforeEach(async () => {
      hostId = await db
        .transaction()
        .execute(async (tx) => (await addHost(tx, siteId, hostFacts(`h${++count}`), atMs))!)
    })

    const claim = (generation: number, more: Partial<Claim> = {}): Claim => ({
      hostId,
      channel: 'stable',
      generation,
      source: 'api',
      isPartial: false,
      finishedAtMs: undefined,
      software: 'test/1',
      ...more,
    })
    const take = (one: Claim, nowMs = atMs, maxPerHour = 30) =>
      db.transaction().execute((tx) => takeClaim(tx, one, { maxPerHour }, nowMs))
    const decide = async (state: 'accepted' | 'refused') => {
      const last = (await findLastCheckIn(db, hostId, 'stable'))!
      const found = { provenGeneration: 1, reason: 'why', evidence: '[]', decidedAtMs: atMs + 5 }
      return await db.transaction().execute((tx) => decideCheckIn(tx, last, { state, ...found }))
    }
    const all = () => listCheckIns(db, hostId, 'stable', { limit: 1000 })

    test('begin as claimed, newest first, each with a time of its own', async () => {
      await take(claim(1))
      await take(claim(2, { source: 'trace', finishedAtMs: atMs - 7, isPartial: true }))
      expect(await all()).toEqual([
        {
          hostId,
          channel: 'stable',
          atMs: atMs + 1,
          generation: 2,
          source: 'trace',
          isPartial: true,
          finishedAtMs: atMs - 7,
          state: 'claimed',
          provenGeneration: undefined,
          reason: undefined,
          evidence: undefined,
          decidedAtMs: undefined,
          detail: '{"software":"test/1"}',
        },
        expect.objectContaining({ atMs, generation: 1, source: 'api', isPartial: false, finishedAtMs: undefined }),
      ])
      expect(await findLastCheckIn(db, hostId, 'testing')).toBeUndefined()
    })

    test('above what is published are refused, and nothing is kept', async () => {
      for (const [channel, generation] of [
        ['stable', 3],
        ['stable', 2 ** 52],
        ['other', 1],
      ] as const) {
        const refused = await take(claim(generation, { channel })).catch((error) => error)
        expect(refused).toBeInstanceOf(RegistryError)
        expect(refused).toMatchObject({ code: 'CONFLICT', status: 409 })
        expect(refused.detail).toContain(`generation ${generation} of ${channel}`)
      }
      expect(await all()).toEqual([])
    })

    test('that say the same as the last one are that one, unless it was refused', async () => {
      const first = await take(claim(2))
      expect(first.isNew).toBe(true)
      expect(await take(claim(2), atMs + 9)).toEqual({ checkIn: first.checkIn, isNew: false })
      expect((await take(claim(2, { isPartial: true }), atMs + 10)).isNew).toBe(true)
      expect((await take(claim(2), atMs + 11)).isNew).toBe(true)
      await decide('accepted')
      expect((await take(claim(2), atMs + 12)).isNew).toBe(false)
      await take(claim(1), atMs + 13)
      await decide('refused')
      expect((await take(claim(1), atMs + 14)).isNew).toBe(true)
    })

    test('of ten at once that say the same, one is kept', async () => {
      const taken = await Promise.all(Array.from({ length: 10 }, (_, i) => take(claim(2), atMs + i)))
      expect(taken.filter((one) => one.isNew)).toHaveLength(1)
      expect(await all()).toHaveLength(1)
    })

    test('are decided once', async () => {
      await take(claim(2))
      expect(await decide('refused')).toBe(true)
      expect(await decide('accepted')).toBe(false)
      expect(await all()).toMatchObject([
        { state: 'refused', provenGeneration: 1, reason: 'why', evidence: '[]', decidedAtMs: atMs + 5 },
      ])
      expect(await listCheckIns(db, hostId, 'stable', { limit: 9, state: 'claimed' })).toEqual([])
    })

    test('are so many an hour and host, over all channels; then it is told when to come again', async () => {
      for (let i = 0; i < 4; i++) await take(claim(1 + (i % 2)), atMs + i * 1000, 5)
      await take(claim(1, { channel: 'testing' }), atMs + 4000, 5)
      const refused = await take(claim(1), atMs + 5000, 5).catch((error) => error)
      expect(refused).toMatchObject({ code: 'TOOMANYREQUESTS', headers: { 'retry-after': String(3600 - 5) } })
      // What says the same as the last one is no flood.
      expect((await take(claim(2), atMs + 5000, 5)).isNew).toBe(false)
      expect((await take(claim(1), atMs + hourMs, 5)).isNew).toBe(true)
    })

    test('keep the latest time at which a trace was finished, also where it said nothing new', async () => {
      expect(await findLastFinished(db, hostId, 'stable')).toBeUndefined()
      await take(claim(2))
      expect(await findLastFinished(db, hostId, 'stable')).toBeUndefined()
      expect((await take(claim(2, { source: 'trace', finishedAtMs: 50 }))).isNew).toBe(false)
      await take(claim(2, { source: 'trace', finishedAtMs: 40 }))
      expect(await findLastFinished(db, hostId, 'stable')).toBe(50)
    })

    test('are forgotten with time, but the newest stays; no more than some are kept at all', async () => {
      for (let i = 0; i < 3; i++) await take(claim(1 + (i % 2)), atMs + i)
      await forgetCheckIns(db, atMs + 2)
      expect((await all()).map((one) => one.atMs)).toEqual([atMs + 2])
      await forgetCheckIns(db, atMs + hourMs)
      expect((await all()).map((one) => one.atMs)).toEqual([atMs + 2])
      for (let i = 0; i < keptCheckIns + 5; i++) await take(claim(1 + (i % 2)), atMs + (i + 1) * hourMs)
      expect(await all()).toHaveLength(keptCheckIns)
    })
  })
}
