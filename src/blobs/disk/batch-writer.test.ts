import { afterAll, expect, test } from 'bun:test'
import { mkdtempSync, rmSync } from 'node:fs'
import { open, readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { BatchWriter } from './batch-writer.ts'

const folder = mkdtempSync(join(tmpdir(), 'flotilla-batch-'))
afterAll(() => rmSync(folder, { recursive: true }))
const batch = 1 << 18

test.each([
  ['nothing', []],
  ['one byte', [1]],
  ['empty chunks', [0, 3, 0]],
  ['a batch but one', [batch - 1]],
  ['a batch', [batch]],
  ['a batch and one', [batch + 1]],
  ['a chunk over many batches', [7, 5 * batch + 3, 11]],
  ['many small chunks', Array.from({ length: 3000 }, (_, at) => at % 500)],
])('%s, after bytes that were there, from memory that is reused', async (name, sizes) => {
  const path = join(folder, name.replaceAll(' ', '-'))
  const file = await open(path, 'w+')
  await file.write('before')
  const writer = new BatchWriter(file, 6)
  const expected: Buffer[] = [Buffer.from('before')]
  const chunk = new Uint8Array(Math.max(0, ...sizes))
  for (const [at, size] of sizes.entries()) {
    chunk.fill(at % 251)
    expected.push(Buffer.alloc(size, at % 251))
    await writer.add(chunk.subarray(0, size))
  }
  await writer.end()
  await file.close()
  const bytes = await readFile(path)
  expect(bytes.equals(Buffer.concat(expected))).toBe(true)
  expect(writer.position).toBe(bytes.length)
})

test('a write that fails is told at the end', async () => {
  const path = join(folder, 'read-only')
  await Bun.write(path, '')
  const file = await open(path, 'r')
  const writer = new BatchWriter(file, 0)
  await writer.add(new Uint8Array(10))
  await expect(writer.end()).rejects.toThrow()
  await file.close()
})
