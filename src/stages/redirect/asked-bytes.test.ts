import { expect, test } from 'bun:test'
import { askedBytes } from './asked-bytes.ts'

const mib = 1024 * 1024

test.each([
  ['the whole blob', undefined, 100 * mib],
  ['the whole blob by another name', 'bytes=0-', 100 * mib],
  ['no range that we understand', 'lines=1-2', 100 * mib],
  ['one part', 'bytes=0-99', 100],
  ['several parts', 'bytes=0-99,200-299', 200],
  ['a part that reaches past the end', `bytes=${100 * mib - 10}-${200 * mib}`, 10],
  ['the end', 'bytes=-5', 5],
  ['the rest of a transfer that broke', 'bytes=7-', 100 * mib - 7],
  ['a part of containerd, which is open', `bytes=${4 * mib}-`, 8 * mib],
  ['its last part', `bytes=${96 * mib}-`, 4 * mib],
  ['nothing of the blob', `bytes=${100 * mib}-`, 0],
])('%s', (_, range, bytes) => {
  expect(askedBytes(range, 100 * mib)).toBe(bytes)
})
