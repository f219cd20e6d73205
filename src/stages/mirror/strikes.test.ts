import { describe, expect, test } from 'bun:test'
import type { StrikeOptions } from './strike-options.ts'
import { StrikeBook } from './strikes.ts'

const options: StrikeOptions = {
  windowMs: 600_000,
  drainPrefixes: 3,
  maxDrainsPerPrefix: 2,
  maxDraining: 3,
  probeEveryMs: 1_000,
  repeatMs: 1_000,
  doubtMs: 30_000,
  openMs: 30_000,
  maxOutMs: 3_600_000,
  maxPrefixesPerHost: 8,
  maxPrefixes: 100,
}
const bookOf = (about: Partial<StrikeOptions> = {}) => new StrikeBook({ ...options, ...about })

/** Strikes of these networks one after the other, each followed by a probe that passes. */
function strikeAll(book: StrikeBook, hostId: number, prefixes: readonly number[], atMs = 0): void {
  prefixes.forEach((prefix, i) => {
    book.strike(hostId, prefix, atMs + i * 2_000)
    book.probed(hostId, undefined, atMs + i * 2_000)
  })
}

describe('evidence', () => {
  test('starts a probe at once, and another no sooner than a second later', () => {
    const book = bookOf()
    expect(book.strike(1, 10, 0)).toBe(true)
    expect(book.strike(1, 11, 500)).toBe(false)
    expect(book.strike(2, 11, 500)).toBe(true)
    expect(book.strike(1, 12, 1_000)).toBe(true)
  })

  test('of a network that struck a moment ago starts nothing more', () => {
    const book = bookOf({ repeatMs: 30_000 })
    expect(book.strike(1, 10, 0)).toBe(true)
    for (let ms = 2_000; ms < 30_000; ms += 2_000) expect(book.strike(1, 10, ms)).toBe(false)
    expect(book.strike(1, 10, 30_000)).toBe(true)
  })

  test('is told as networks and as one doubt at a time, however much comes', () => {
    const book = bookOf({ doubtMs: 10_000 })
    expect(book.evidenceOf(1, 0)).toEqual({ strikes: 0, doubtSinceMs: undefined })
    const doubts = new Set<number | undefined>()
    for (let ms = 0; ms < 20_000; ms += 100) {
      book.strike(1, ms % 700, ms)
      doubts.add(book.evidenceOf(1, ms).doubtSinceMs)
    }
    expect([...doubts]).toEqual([0, 10_000])
    expect(book.evidenceOf(1, 19_999).strikes).toBe(7)
    expect(book.evidenceOf(1, 20_000).doubtSinceMs).toBeUndefined()
  })

  test('of a third network drains at once when a probe has passed a moment ago', () => {
    const book = bookOf()
    strikeAll(book, 1, [10, 11])
    expect(book.strike(1, 12, 2_500)).toBe(false)
    expect(book.circuitOf(1)).toBe('draining')
  })

  test('alone closes nothing, however much of it one network brings', () => {
    const book = bookOf()
    strikeAll(book, 1, Array<number>(500).fill(10))
    expect(book.circuitOf(1)).toBe('closed')
  })

  test('with a failed probe opens the circuit, with the reason of the probe', () => {
    const book = bookOf()
    book.strike(1, 10, 0)
    book.probed(1, 'other bytes at 5-9', 0)
    expect(book.circuitOf(1)).toBe('open')
    expect(book.reasonOf(1)).toBe('other bytes at 5-9')
  })

  test('of three networks drains a host whose probes pass', () => {
    const book = bookOf()
    strikeAll(book, 1, [10, 11])
    expect(book.circuitOf(1)).toBe('closed')
    strikeAll(book, 1, [12], 10_000)
    expect(book.circuitOf(1)).toBe('draining')
    expect(book.listDraining()).toEqual([1])
    expect(book.reasonOf(1)).toMatch(/3 networks/)
  })

  test('that is old does not count', () => {
    const book = bookOf()
    strikeAll(book, 1, [10, 11])
    strikeAll(book, 1, [12], options.windowMs + 5_000)
    expect(book.circuitOf(1)).toBe('closed')
  })
})

describe('a circuit', () => {
  test('that is open closes after its time and two probes that passed', () => {
    const book = bookOf()
    book.probed(1, 'refused', 0)
    book.probed(1, undefined, 10_000)
    book.probed(1, undefined, 20_000)
    expect(book.circuitOf(1)).toBe('open')
    book.probed(1, undefined, 30_000)
    expect(book.circuitOf(1)).toBe('closed')
  })

  test('that is open counts anew after a failure', () => {
    const book = bookOf()
    book.probed(1, 'refused', 0)
    book.probed(1, undefined, 31_000)
    book.probed(1, 'refused', 32_000)
    book.probed(1, undefined, 63_000)
    expect(book.circuitOf(1)).toBe('open')
    book.probed(1, undefined, 64_000)
    expect(book.circuitOf(1)).toBe('closed')
  })

  test('that drains is closed by a whole read, not by probes, and opened by one that failed', () => {
    for (const [failure, expected] of [
      [undefined, 'closed'],
      ['other bytes', 'open'],
    ] as const) {
      const book = bookOf()
      strikeAll(book, 1, [10, 11, 12])
      for (let i = 0; i < 5; i++) book.probed(1, undefined, 100_000 + i)
      expect(book.circuitOf(1)).toBe('draining')
      book.wholeRead(1, failure, 200_000)
      expect(book.circuitOf(1)).toBe(expected)
    }
  })

  test('that a failed whole read opened is not closed by probes: it takes another whole read, ever more rarely', () => {
    const book = bookOf()
    strikeAll(book, 1, [10, 11, 12])
    let nowMs = 10_000
    const openMs: number[] = []
    for (let i = 0; i < 8; i++) {
      book.wholeRead(1, 'broke off after 10 bytes', nowMs)
      const openedMs = nowMs
      while (book.circuitOf(1) === 'open') book.probed(1, undefined, (nowMs += 10_000))
      expect(book.circuitOf(1)).toBe('draining')
      openMs.push(nowMs - openedMs)
    }
    expect(openMs).toEqual([30, 60, 120, 240, 480, 960, 960, 960].map((s) => s * 1000))
    book.wholeRead(1, undefined, nowMs)
    expect(book.circuitOf(1)).toBe('closed')
  })

  test('is as before a restart, and comes back by a whole read', () => {
    const book = bookOf()
    book.restore(1, 'open', 'other bytes', 0)
    book.restore(2, 'closed', undefined, 0)
    expect([book.circuitOf(1), book.reasonOf(1), book.circuitOf(2)]).toEqual(['open', 'other bytes', 'closed'])
    for (let ms = 10_000; ms <= 30_000; ms += 10_000) book.probed(1, undefined, ms)
    expect(book.circuitOf(1)).toBe('draining')
  })

  test('is not touched by a whole read that comes too late', () => {
    const book = bookOf()
    book.wholeRead(1, 'other bytes', 0)
    expect(book.circuitOf(1)).toBe('closed')
  })

  test('of a host that is gone is forgotten', () => {
    const book = bookOf()
    book.probed(1, 'refused', 0)
    book.keepOnly(new Set([2]))
    expect(book.circuitOf(1)).toBe('closed')
  })
})

describe('a host that is good to probes alone', () => {
  test('comes back by a whole read only', () => {
    const book = bookOf()
    book.expose(1, 'status 404', 0)
    for (let i = 1; i <= 10; i++) book.probed(1, undefined, i * 10_000)
    expect(book.circuitOf(1)).toBe('draining')
    expect(book.listToRead(100_000)).toEqual([1])
    book.wholeRead(1, 'status 404', 100_000)
    expect([book.circuitOf(1), book.reasonOf(1)]).toEqual(['open', 'status 404'])
    for (let i = 11; i <= 20; i++) book.probed(1, undefined, i * 10_000)
    expect(book.circuitOf(1)).toBe('draining')
    book.wholeRead(1, undefined, 200_000)
    expect(book.circuitOf(1)).toBe('closed')
  })

  test('stays out longer with each time that it drains, and after a quiet day begins anew', () => {
    const book = bookOf({ maxDrainsPerPrefix: 100 })
    const waitOf = (atMs: number) => {
      strikeAll(book, 1, [10, 11, 12], atMs)
      const drainedAtMs = atMs + 4_000
      const waits = [0, 30_000, 60_000, 120_000].filter((ms) => book.listToRead(drainedAtMs + ms).length > 0)
      book.wholeRead(1, undefined, drainedAtMs + 120_000)
      return waits[0]
    }
    expect([0, 1_000_000, 2_000_000, 3_000_000].map(waitOf)).toEqual([0, 30_000, 60_000, 120_000])
    expect(waitOf(100_000_000)).toBe(0)
  })
})

describe('what an attacker can bring about', () => {
  test('three networks drain no more than their share in a day, and again the next day', () => {
    const book = bookOf({ maxDraining: 100 })
    for (let hostId = 1; hostId <= 20; hostId++) strikeAll(book, hostId, [10, 11, 12])
    expect(book.listDraining()).toEqual([1, 2])
    strikeAll(book, 30, [10, 11, 12], 86_400_000)
    expect(book.circuitOf(30)).toBe('draining')
  })

  test('any number of networks drain no more hosts at once than the fleet can spare', () => {
    const book = bookOf()
    for (let hostId = 1; hostId <= 20; hostId++)
      strikeAll(book, hostId, [hostId * 10, hostId * 10 + 1, hostId * 10 + 2])
    expect(book.listDraining()).toEqual([1, 2, 3])
  })

  test('a flood of networks neither fills the memory nor hides the latest ones', () => {
    const book = bookOf({ maxPrefixes: 4 })
    for (let prefix = 0; prefix < 50_000; prefix++) book.strike(1, prefix, 0)
    book.probed(1, undefined, 0)
    expect(book.circuitOf(1)).toBe('draining')
    expect(book.reasonOf(1)).toMatch(/clients of 8 networks/)
  })
})

describe('a clock that is set back by hours', () => {
  const hours = 10 * 3_600_000

  test('keeps no circuit open and no host from being probed for as long', () => {
    const book = bookOf()
    book.probed(1, 'answered 500', hours)
    book.strike(2, 10, hours)
    expect(book.strike(2, 11, 0)).toBe(false)
    expect(book.strike(2, 12, 1_000)).toBe(true)
    expect(book.evidenceOf(2, 30_000).doubtSinceMs).toBeUndefined()
    book.probed(1, undefined, 29_000)
    book.probed(1, undefined, 30_000)
    expect(book.circuitOf(1)).toBe('closed')
  })
})
