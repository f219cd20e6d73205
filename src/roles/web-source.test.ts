import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'bun:test'
import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Answer, Ask } from '#http/answer.ts'
import type { Listener } from '#http/listener.ts'
import { OutboundClient } from '#http/outbound/outbound-client.ts'
import { listen } from '#http/serve-bun.ts'
import { FileUnlike, type SnapshotSource } from '#snapshots/snapshot-source.ts'
import { SourceFailed, webSource } from './web-source.ts'

let folder: string
let listener: Listener
let client: OutboundClient
let source: SnapshotSource
let answer: Answer
const asks: { path: string; etag: string | undefined; key: string | undefined }[] = []

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'web-source-'))
  const handler = (ask: Ask) => {
    asks.push({ path: ask.path, etag: ask.header('if-none-match'), key: ask.header('authorization') })
    return answer
  }
  listener = listen(handler, { host: '127.0.0.1', port: 0, stallMs: 1000, log: () => undefined })
  client = new OutboundClient({ allowPrivate: true, userAgent: 'test' })
  source = webSource({
    client,
    url: `http://127.0.0.1:${listener.port}/snapshots`,
    headers: { authorization: 'Bearer x' },
  })
})
beforeEach(() => void asks.splice(0))
afterAll(async () => {
  await client[Symbol.asyncDispose]()
  await listener.stop(0)
  await rm(folder, { recursive: true })
})

describe('a document', () => {
  test('comes with its tag, which is shown the next time', async () => {
    answer = { status: 200, headers: { etag: '"a1"' }, body: '{}' }
    const read = await source.read('stable/placement.json', undefined)
    expect([read?.etag, Buffer.from(read!.bytes).toString()]).toEqual(['"a1"', '{}'])
    answer = { status: 304, headers: {} }
    expect(await source.read('stable/placement.json', '"a1"')).toBeUndefined()
    expect(asks).toEqual([
      { path: '/snapshots/stable/placement.json', etag: undefined, key: 'Bearer x' },
      { path: '/snapshots/stable/placement.json', etag: '"a1"', key: 'Bearer x' },
    ])
  })

  test('that is not there is none', async () => {
    answer = { status: 404, headers: {}, body: 'nothing' }
    expect(await source.read('withdrawals.json', undefined)).toBeUndefined()
  })

  test('that is larger than it may be is refused', async () => {
    answer = { status: 200, headers: {}, body: 'x'.repeat(101) }
    await expect(source.read('health.json', undefined, 100)).rejects.toThrow(/more than 100 bytes/)
  })

  test.each([500, 503, 403, 302, 206])('with status %d is a failure', async (status) => {
    answer = { status, headers: { location: '/elsewhere' }, body: 'x' }
    await expect(source.read('health.json', undefined)).rejects.toThrow(SourceFailed)
  })

  test('behind another key says which option to look at', async () => {
    answer = { status: 401, headers: {} }
    await expect(source.read('health.json', undefined)).rejects.toThrow(/frontdoor-key must be that of its data folder/)
  })
})

describe('a file', () => {
  test('is put where nothing was', async () => {
    answer = { status: 200, headers: {}, body: new Uint8Array(300_000).fill(7) }
    const target = join(folder, 'one.pack')
    await source.fetch('catalogue/1.pack', target, 300_000)
    expect(await readFile(target)).toEqual(Buffer.alloc(300_000, 7))
  })

  test('over another is refused, and that one stays', async () => {
    const target = join(folder, 'there')
    await writeFile(target, 'mine')
    await expect(source.fetch('catalogue/1.pack', target, 300_000)).rejects.toThrow(/EEXIST/)
    expect(await readFile(target, 'utf8')).toBe('mine')
  })

  test.each([
    ['is not there', { status: 404, headers: {} }],
    ['is larger than was said', { status: 200, headers: {}, body: 'x'.repeat(11) }],
  ])('that %s is unlike what was asked for, and leaves nothing', async (_, said) => {
    answer = said
    const target = join(folder, 'none')
    await expect(source.fetch('catalogue/2.pack', target, 10)).rejects.toThrow(FileUnlike)
    expect(existsSync(target)).toBe(false)
  })

  test('of a source in trouble is asked for again later', async () => {
    answer = { status: 503, headers: {} }
    await expect(source.fetch('catalogue/2.pack', join(folder, 'later'), 10)).rejects.toThrow(SourceFailed)
  })
})
