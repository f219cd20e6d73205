import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { clientOf, digestOf, fleetOf, hostOf } from '../../test/kit/fleet-of-hosts.ts'
import { findSuiting } from './find-suiting.ts'
import { Headroom, headroomDefaults } from './headroom.ts'
import { rankHosts } from './rank-hosts.ts'

const blob = { digest: digestOf(0x5eed), generation: 5 }
/** What a host of 100 Mbit/s sends in a second. */
const second = 100e6 / 8

describe('headroom', () => {
  const clock = { nowMs: 0 }
  const make = (options = {}) => {
    clock.nowMs = 1_800_000_000_000
    return new Headroom({ ...headroomDefaults, ...options }, () => clock.nowMs)
  }

  test('is what was sent there less what went since, at the declared bandwidth', () => {
    const headroom = make()
    expect(headroom.busyMs(1)).toBe(0)
    headroom.book(hostOf(1), 3 * second)
    headroom.book(hostOf(1), 4 * second)
    expect(headroom.busyMs(1)).toBe(7_000)
    clock.nowMs += 5_000
    expect(headroom.busyMs(1)).toBe(2_000)
    clock.nowMs += 60_000
    expect(headroom.busyMs(1)).toBe(0)
    headroom.book(hostOf(1), second)
    expect(headroom.busyMs(1)).toBe(1_000)
  })

  test('of one of two front doors is used up twice as fast', () => {
    const headroom = make({ hostShare: 0.5 })
    headroom.book(hostOf(1), second)
    expect(headroom.busyMs(1)).toBe(2_000)
  })

  test('is kept for the clients of a host when guests find none', () => {
    const headroom = make()
    headroom.book(hostOf(1), 7 * second)
    expect([headroom.hasRoom(1, true), headroom.hasRoom(1, false)]).toEqual([true, false])
    headroom.book(hostOf(1), 4 * second)
    expect(headroom.hasRoom(1, true)).toBe(false)
  })

  test('comes back after a minute, whatever was asked and not fetched', () => {
    const headroom = make()
    for (let i = 0; i < 1000; i++) headroom.book(hostOf(1), 100 * second)
    clock.nowMs += 60_000
    expect(headroom.busyMs(1)).toBe(0)
  })

  test('is counted for any number that a catalogue gives, and always there beyond', () => {
    const headroom = make()
    for (const id of [0, 1023, 1024, 100_000, 2 ** 20 - 1]) {
      headroom.book(hostOf(id), 20 * second)
      expect(headroom.hasRoom(id, true)).toBe(false)
    }
    headroom.book(hostOf(2 ** 40), 20 * second)
    expect(headroom.hasRoom(2 ** 40, true)).toBe(true)
  })
})

/** A client of CZ, and hosts from its own network to the other end of the world. */
const client = clientOf({ country: 'CZ', asn: 64500 })
const near = [
  hostOf(0, { country: 'CZ', netblocks: ['192.0.2.0/24'] }),
  hostOf(1, { country: 'DE', asn: 64500 }),
  hostOf(2, { country: 'CZ' }),
  hostOf(3, { country: 'CZ' }),
  hostOf(4, { country: 'SK' }),
  hostOf(5, { country: 'DE' }),
  hostOf(6, { country: 'FR' }),
  hostOf(7, { country: 'PT' }),
  hostOf(8, { country: 'US' }),
  hostOf(9, { country: 'JP' }),
]
/** Slovakia and Germany are equally near, Portugal is beyond the neighbours. */
const tierOf = [0, 1, 2, 2, 3, 3, 4, 5, 6, 6]
const bookings = fc.array(fc.tuple(fc.nat({ max: 9 }), fc.integer({ min: 1, max: 25 })), { maxLength: 20 })

const booked = (rows: readonly (readonly [number, number])[]) => {
  const headroom = new Headroom(headroomDefaults, () => 0)
  for (const [id, seconds] of rows) headroom.book(hostOf(id), seconds * second)
  return headroom
}

describe('with headroom', () => {
  const fleet = fleetOf(near)
  const rank = (headroom: Headroom | undefined, epoch: number, limit = 100) =>
    rankHosts(fleet, client, blob, { epoch, allowHttpHosts: true, limit, headroom }).map(({ host }) => host.id)

  test('no tier comes before a nearer one that has room; full hosts come last, as near as they are', () => {
    fc.assert(
      fc.property(bookings, fc.nat(), (rows, epoch) => {
        const headroom = booked(rows)
        const ids = rank(headroom, epoch)
        expect(ids.toSorted((a, b) => a - b)).toEqual(near.map(({ id }) => id))
        const hasRoom = (id: number) => headroom.hasRoom(id, tierOf[id]! <= 2)
        const keys = ids.map((id) => (hasRoom(id) ? 0 : 100) + tierOf[id]!)
        expect(keys).toEqual(keys.toSorted((a, b) => a - b))
      }),
    )
  })

  test('a host that fills up moves nobody who did not meet it', () => {
    fc.assert(
      fc.property(bookings, fc.nat({ max: 9 }), fc.nat(), (rows, id, epoch) => {
        const before = rank(booked(rows), epoch)
        const after = rank(booked([...rows, [id, 30]]), epoch)
        expect(after.filter((one) => one !== id)).toEqual(before.filter((one) => one !== id))
        expect(after.indexOf(id)).toBeGreaterThanOrEqual(before.indexOf(id))
      }),
    )
  })

  test('the limit only cuts', () => {
    fc.assert(
      fc.property(bookings, fc.nat(), fc.integer({ min: 1, max: 9 }), (rows, epoch, limit) => {
        const headroom = booked(rows)
        expect(rank(headroom, epoch, limit)).toEqual(rank(headroom, epoch).slice(0, limit))
      }),
    )
  })

  test('idle hosts are ranked as if there were none', () => {
    fc.assert(
      fc.property(fc.nat(), (epoch) => {
        expect(rank(booked([]), epoch)).toEqual(rank(undefined, epoch))
      }),
    )
  })
})

test('a host that was given is found again, full or far, unless it suits no longer', () => {
  const hosts = [...near, hostOf(10, { isPrivate: true }), hostOf(11, { generation: 4 })]
  const draw = { epoch: 1, allowHttpHosts: true, limit: 1 }
  const find = (id: number) => findSuiting(id, fleetOf(hosts), { client, blob, draw })?.host.id
  for (const { id } of near) expect(find(id)).toBe(id)
  for (const id of [10, 11, 12]) expect(find(id)).toBeUndefined()
})

test('of a clock that is set back by hours nothing stays booked for as long', () => {
  const clock = { nowMs: 1_800_000_000_000 }
  const headroom = new Headroom(headroomDefaults, () => clock.nowMs)
  headroom.book(hostOf(1), 100 * second)
  expect(headroom.hasRoom(1, true)).toBe(false)
  clock.nowMs -= 10 * 3_600_000
  expect(headroom.hasRoom(1, true)).toBe(true)
  headroom.book(hostOf(1), second)
  expect(headroom.busyMs(1)).toBe(1_000)
})
