import { expect, test } from 'bun:test'
import { ClientCounts } from './client-counts.ts'

test('a network has so many places, whoever of it asks, and gets them back', () => {
  const counts = new ClientCounts(2)
  const first = counts.enter('192.0.2.1')
  const second = counts.enter('192.0.2.200')
  expect([first, second]).not.toContain(undefined)
  expect(counts.enter('192.0.2.3')).toBeUndefined()
  expect(counts.enter('192.0.3.3')).toBeDefined()
  counts.leave(first!)
  expect(counts.enter('192.0.2.3')).toBe(second!)
})

test.each([
  ['a /48 of IPv6', '2001:db8:1::1', '2001:db8:1:ffff::2', '2001:db8:2::1'],
  ['what is no address', '', 'a socket file', '192.0.2.1'],
])('%s shares one place', (_, one, same, other) => {
  const counts = new ClientCounts(1)
  const place = counts.enter(one)
  expect(counts.enter(same)).toBeUndefined()
  expect(counts.enter(other)).toBeDefined()
  counts.leave(place!)
  expect(counts.enter(same)).toBeDefined()
})

test('nothing is remembered of those who left', () => {
  const counts = new ClientCounts(10)
  for (let i = 0; i < 1000; i++) {
    const places = ['1', '2'].map((host) => counts.enter(`10.${i >> 8}.${i & 255}.${host}`)!)
    for (const place of places) counts.leave(place)
  }
  expect(counts.prefixes).toBe(0)
})
