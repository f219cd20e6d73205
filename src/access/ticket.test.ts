import { describe, expect, test } from 'bun:test'
import { Tickets } from './ticket.ts'

const tickets = new Tickets(Buffer.alloc(32, 1), 600_000)
const about = { prefixKey: 0xc0_00_02, digest: `sha256:${'a'.repeat(64)}`, nowMs: 1_800_000_000_000 }

describe('a ticket', () => {
  test.each([0, 1, 77, 4_294_967_295])('of host %d comes back, and says nothing else', (hostId) => {
    const text = tickets.issue(hostId, about)
    expect(text).toMatch(/^[A-Za-z0-9_-]{20,64}$/)
    expect(tickets.check(text, about)).toBe(hostId)
    for (const minutes of [-1, 1, 10]) {
      expect(tickets.check(text, { ...about, nowMs: about.nowMs + minutes * 60_000 })).toBe(hostId)
    }
  })

  const good = tickets.issue(5, about)
  test.each([
    ['nothing', '', about],
    ['another text', 'a'.repeat(27), about],
    ['too short', good.slice(1), about],
    ['too long', `${good}A`, about],
    ['letters outside base64url', `${good.slice(0, 26)}!`, about],
    ['one bit changed', `${good.slice(0, 20)}${good[20] === 'A' ? 'B' : 'A'}${good.slice(21)}`, about],
    ['another prefix', good, { ...about, prefixKey: 1 }],
    ['another blob', good, { ...about, digest: `sha256:${'b'.repeat(64)}` }],
    ['too late', good, { ...about, nowMs: about.nowMs + 12 * 60_000 }],
    ['from the future', good, { ...about, nowMs: about.nowMs - 3 * 60_000 }],
    ['another key', new Tickets(Buffer.alloc(32, 2), 600_000).issue(5, about), about],
  ])('is refused: %s', (_, text, asked) => {
    expect(tickets.check(text, asked)).toBeUndefined()
  })

  test('needs a real key', () => {
    expect(() => new Tickets(Buffer.alloc(8), 1)).toThrow(RangeError)
  })
})
