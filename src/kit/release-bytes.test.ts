import { expect, test } from 'bun:test'
import { releaseBytes } from './release-bytes.ts'

test('bytes of their own are gone, shared ones stay', () => {
  const own = new Uint8Array([1, 2, 3])
  const shared = new Uint8Array([1, 2, 3]).subarray(1)
  releaseBytes(own)
  releaseBytes(shared)
  releaseBytes(new Uint8Array(0))
  expect(own.length).toBe(0)
  expect([...shared]).toEqual([2, 3])
})
