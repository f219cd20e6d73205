import { expect, test } from 'bun:test'
import { PullsBegun } from './pulls-begun.ts'

const windowMs = 1000
const begunOf = (maxNetworks = 1024) => new PullsBegun({ windowMs, maxNetworks })

test('pulls are counted by network', () => {
  const begun = begunOf()
  for (const prefix of [7, 7, 9, 7]) begun.note(prefix, 100)
  expect([7, 9, 11].map((prefix) => begun.countOf(prefix, 200))).toEqual([3, 1, 0])
})

test('one counts for a window at least and for two at most', () => {
  const begun = begunOf()
  begun.note(7, 900)
  expect([900, 1900, 2000].map((nowMs) => begun.countOf(7, nowMs))).toEqual([1, 1, 0])
  begun.note(7, 1100)
  expect([1100, 2000].map((nowMs) => begun.countOf(7, nowMs))).toEqual([2, 1])
  begun.note(7, 5000)
  expect(begun.countOf(7, 5000)).toBe(1)
})

test('networks of both families keep apart: keys are larger than 32 bits', () => {
  const begun = begunOf()
  begun.note(5, 0)
  begun.note(5 + 2 ** 40, 0)
  begun.note(5 + 2 ** 40, 0)
  expect([begun.countOf(5, 0), begun.countOf(5 + 2 ** 40, 0)]).toEqual([1, 2])
})

test('of networks that share a place the later one is known, and the earlier one says nothing', () => {
  const begun = begunOf(2)
  for (let prefix = 0; prefix < 10; prefix++) begun.note(prefix, 0)
  const counts = Array.from({ length: 10 }, (_, prefix) => begun.countOf(prefix, 0))
  expect(counts.filter((count) => count === 1)).toHaveLength(2)
  expect(counts.filter((count) => count > 1)).toHaveLength(0)
})
