import { expect, test } from 'bun:test'
import { ago, bytes, count } from './format.ts'

test.each<[number, string]>([
  [0, '0 B'],
  [1023, '1023 B'],
  [1024, '1.0 KiB'],
  [99.9 * 1024, '99.9 KiB'],
  [150 * 1024, '150 KiB'],
  [3.5 * 2 ** 40, '3.5 TiB'],
])('%d bytes are %s', (value, text) => expect(bytes(value)).toBe(text))

test.each<[number, string]>([
  [1, '1 blob'],
  [0, '0 blobs'],
  [9999, '9999 blobs'],
  [1_234_567, '1\u202f234\u202f567 blobs'],
])('%d are counted as %s', (value, text) => expect(count(value, 'blob')).toBe(text))

test.each<[number, string]>([
  [-5, '0 s ago'],
  [119, '119 s ago'],
  [120, '2 min ago'],
  [7200, '2 h ago'],
  [86_400, '24 h ago'],
  [172_800, '2 days ago'],
])('%d seconds before now is %s', (seconds, text) => {
  const nowMs = Date.parse('2026-11-24T12:00:00Z')
  const told = String(ago(new Date(nowMs - seconds * 1000).toISOString(), nowMs))
  expect(told).toContain(`>${text}</time>`)
})
