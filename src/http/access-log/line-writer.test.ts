import { afterAll, beforeAll, expect, test } from 'bun:test'
import { mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { waitUntil } from '../../../test/kit/wait-until.ts'
import { LineWriter, lineWriterDefaults } from './line-writer.ts'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'line-writer-'))
})
afterAll(() => rm(folder, { recursive: true }))

const failures: unknown[] = []
const open = (path: string, more = {}) =>
  LineWriter.open({ ...lineWriterDefaults, path, flushMs: 1, onError: (error) => failures.push(error), ...more })
const textOf = (path: string) => readFile(path, 'utf8').catch(() => '')

test('lines come in order, behind those that are there, also what waits at the end', async () => {
  const path = join(folder, 'order.log')
  await writeFile(path, 'before\n')
  {
    await using writer = await open(path)
    for (let i = 0; i < 1000; i++) writer.write(`${i}\n`)
    await waitUntil(async () => (await textOf(path)).endsWith('999\n'), { what: 'the lines are written' })
    writer.write('last\n')
  }
  const expected = ['before', ...Array.from({ length: 1000 }, (_, i) => String(i)), 'last', '']
  expect((await textOf(path)).split('\n')).toEqual(expected)
})

test('a file that was moved away keeps its lines; the next go to a new one, and none is lost', async () => {
  const path = join(folder, 'rotate.log')
  await using writer = await open(path)
  writer.write('one\n')
  await waitUntil(async () => (await textOf(path)) === 'one\n', { what: 'the first line is written' })
  await rename(path, `${path}.1`)
  writer.write('two\n')
  await waitUntil(async () => (await textOf(`${path}.1`)) === 'one\ntwo\n', { what: 'the old file goes on' })
  writer.reopen()
  writer.write('three\n')
  await waitUntil(async () => (await textOf(path)) === 'three\n', { what: 'the new file begins' })
  expect(writer.dropped).toBe(0)
})

test('past the bound lines are dropped and counted, and those that were taken are written', async () => {
  const path = join(folder, 'bound.log')
  await using writer = await open(path, { maxWaitingBytes: 100 })
  // In one turn nothing can be written between two lines.
  for (let i = 0; i < 20; i++) writer.write('123456789\n')
  expect(writer.dropped).toBe(10)
  await waitUntil(async () => (await textOf(path)).length === 100, { what: 'the lines are written' })
  writer.write('again\n')
  await waitUntil(async () => (await textOf(path)).endsWith('again\n'), { what: 'there is room again' })
  expect(writer.dropped).toBe(10)
})

test('a folder that is missing is refused at the start; a full disk is told of once, and costs no more than the bound', async () => {
  const path = join(folder, 'gone', 'x.log')
  await expect(open(path)).rejects.toThrow('ENOENT')
  await using writer = await open('/dev/full', { maxWaitingBytes: 100 })
  failures.length = 0
  writer.write('kept\n')
  await waitUntil(() => failures.length > 0, { what: 'the failure is told of' })
  for (let i = 0; i < 50; i++) writer.write('0123456789\n')
  expect(writer.dropped).toBeGreaterThan(30)
  expect(failures).toEqual([expect.objectContaining({ code: 'ENOSPC' })])
})
