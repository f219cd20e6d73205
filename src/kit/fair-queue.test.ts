import { describe, expect, test } from 'bun:test'
import { FairQueue } from './fair-queue.ts'

const queue = (maxEntries = 100, maxPerGroup = 100) => new FairQueue<string>({ maxEntries, maxPerGroup })
function drain(q: FairQueue<string>): string[] {
  const out: string[] = []
  for (let entry = q.shift(); entry !== undefined; entry = q.shift()) out.push(entry)
  return out
}

describe('a fair queue', () => {
  test('serves groups in turn, and each in the order in which they came', () => {
    const q = queue()
    for (const entry of ['a1', 'a2', 'a3', 'a4']) q.add(1, entry)
    q.add(2, 'b1')
    q.add(3, 'c1')
    q.add(2, 'b2')
    expect(q.peek()).toBe('a1')
    expect(drain(q)).toEqual(['a1', 'b1', 'c1', 'a2', 'b2', 'a3', 'a4'])
    expect([q.size, q.peek(), q.shift()]).toEqual([0, undefined, undefined])
  })

  test('takes no more than there is room for, in all and in each group', () => {
    const q = queue(3, 2)
    expect([q.add(1, 'a1'), q.add(1, 'a2'), q.add(1, 'a3')]).toEqual([true, true, false])
    expect([q.add(2, 'b1'), q.add(3, 'c1')]).toEqual([true, false])
    expect(drain(q)).toEqual(['a1', 'b1', 'a2'])
    expect(q.add(3, 'c1')).toBe(true)
  })

  test('lets go of those who leave, and of none twice', () => {
    const q = queue(4)
    q.add(1, 'a1')
    q.add(1, 'a2')
    q.add(2, 'b1')
    q.remove(1, 'a1')
    q.remove(1, 'a1')
    q.remove(9, 'b1')
    q.remove(2, 'b1')
    expect([q.size, [...q]]).toEqual([1, ['a2']])
    expect(drain(q)).toEqual(['a2'])
  })

  test('can be walked while it changes', () => {
    const q = queue()
    for (const entry of ['a1', 'a2']) q.add(1, entry)
    for (const entry of q) q.remove(1, entry)
    expect(q.size).toBe(0)
  })
})
