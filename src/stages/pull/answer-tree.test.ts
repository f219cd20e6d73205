import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { createHash } from 'node:crypto'
import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import type { Listener } from '#http/listener.ts'
import { listen } from '#http/serve-bun.ts'
import { blobPath, makeDigest } from '#oci/digest.ts'
import { answerTree } from './answer-tree.ts'

const bytes = Uint8Array.from({ length: 300_000 }, (_, i) => (i * 7) % 251)
const digest = makeDigest('sha256', createHash('sha256').update(bytes).digest('hex'))
const blob = `/${blobPath(digest)}`
const empty = makeDigest('sha256', createHash('sha256').digest('hex'))

let root: string
let listener: Listener
let base: string
const logged: unknown[] = []

async function put(path: string, content: Uint8Array | string): Promise<void> {
  await mkdir(dirname(path), { recursive: true })
  await writeFile(path, content)
}

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'answer-tree-'))
  const stable = join(root, 'stable')
  await put(join(stable, blobPath(digest)), bytes)
  await put(join(stable, blobPath(empty)), '')
  await put(join(stable, 'lists/7.gz'), 'a list')
  await put(join(stable, 'catalogue/6-7.pack'), 'a pack')
  await put(join(stable, 'metadata/timestamp.json'), '{"generation":7}')
  await put(join(stable, 'trace/host.example.org'), '{}')
  await put(join(stable, 'secret'), 'not of the tree')
  await put(join(root, 'keys/targets.key'), 'secret key')
  await put(join(root, 'outside'), 'outside')
  await symlink(join(root, 'outside'), join(stable, 'lists/8.gz'))
  await symlink(join(root, 'outside'), join(stable, 'trace/link'))
  await mkdir(join(root, 'elsewhere'))
  await put(join(root, 'elsewhere', 'ff'.repeat(32)), 'outside')
  await symlink(join(root, 'elsewhere'), join(stable, 'blobs/sha256/ff'))
  await mkdir(join(stable, 'lists/9.gz'))
  await put(join(root, 'testing/metadata/timestamp.json'), '{"generation":9}')
  const channelFolders = new Map([['testing', join(root, 'testing')]])
  const frontDoorUrl = 'https://registry.example.org'
  listener = listen(answerTree({ folder: stable, channelFolders, frontDoorUrl }), {
    host: '127.0.0.1',
    port: 0,
    stallMs: 5000,
    log: (error) => logged.push(error),
  })
  base = `http://127.0.0.1:${listener.port}`
})
afterAll(async () => {
  await listener.stop(100)
  await rm(root, { recursive: true })
  expect(logged).toEqual([])
})

const get = (path: string, headers: Record<string, string> = {}, method = 'GET') =>
  fetch(base + path, { headers, method, redirect: 'manual' })
const bodyOf = async (response: Response) => new Uint8Array(await response.arrayBuffer())

describe('a blob', () => {
  test('comes whole, immutable, under its digest as ETag, as nothing but bytes', async () => {
    const response = await get(blob, { 'accept-encoding': 'gzip' })
    expect(response.status).toBe(200)
    expect(Object.fromEntries(response.headers)).toMatchObject({
      etag: `"${digest}"`,
      'content-type': 'application/octet-stream',
      'content-disposition': 'attachment',
      'x-content-type-options': 'nosniff',
      'cache-control': 'public, max-age=31536000, immutable',
      'accept-ranges': 'bytes',
      'content-length': '300000',
    })
    expect(response.headers.has('content-encoding')).toBe(false)
    expect(await bodyOf(response)).toEqual(bytes)
  })

  test('HEAD tells the same without a body, whatever range it asks for', async () => {
    for (const headers of [{}, { range: 'bytes=0-9' }] as Record<string, string>[]) {
      const response = await get(blob, headers, 'HEAD')
      expect(response.status).toBe(200)
      expect(response.headers.get('content-length')).toBe('300000')
      expect(response.headers.get('etag')).toBe(`"${digest}"`)
      expect(await bodyOf(response)).toHaveLength(0)
    }
  })

  test('of no bytes comes too', async () => {
    const response = await get(`/${blobPath(empty)}`)
    expect([response.status, response.headers.get('content-length')]).toEqual([200, '0'])
  })

  test('its query is of no account', async () => {
    expect((await get(`${blob}?miss=ticket`)).status).toBe(200)
  })
})

describe('a blob that is not here', () => {
  const missing = `/blobs/sha256/00/${'0'.repeat(64)}`
  test('sends a client that was sent here back with its ticket', async () => {
    const response = await get(`${missing}?x=1&t=AAAA_-9`)
    expect(response.status).toBe(307)
    expect(response.headers.get('location')).toBe(`https://registry.example.org${missing}?miss=AAAA_-9`)
    expect(response.headers.get('cache-control')).toBe('no-store')
  })

  test.each(['', '?t=', '?t=a%0d%0ab', '?xt=AAAA', '?t=AAAA/../b', `?t=${'A'.repeat(65)}`])(
    '%s is just not here',
    async (query) => {
      expect((await get(missing + query)).status).toBe(404)
    },
  )

  test('only blobs are sent back', async () => {
    expect((await get('/lists/6.gz?t=AAAA')).status).toBe(404)
  })
})

describe('ranges', () => {
  test.each([
    ['bytes=0-9', 0, 10],
    ['bytes=299990-', 299_990, 300_000],
    ['bytes=-10', 299_990, 300_000],
    ['bytes=65536-131071', 65_536, 131_072],
    ['bytes=5-5,400000-', 5, 6],
  ])('%s', async (range, start, end) => {
    const response = await get(blob, { range })
    expect(response.status).toBe(206)
    expect(response.headers.get('content-range')).toBe(`bytes ${start}-${end - 1}/300000`)
    expect(response.headers.get('content-length')).toBe(`${end - start}`)
    expect(await bodyOf(response)).toEqual(bytes.slice(start, end))
  })

  test('several at once come as parts', async () => {
    const response = await get(blob, { range: 'bytes=0-1,100000-100002,-1' })
    expect(response.status).toBe(206)
    const boundary = /^multipart\/byteranges; boundary=(.+)$/.exec(response.headers.get('content-type')!)![1]
    const body = await bodyOf(response)
    const part = (start: number, end: number) =>
      `content-type: application/octet-stream\r\ncontent-range: bytes ${start}-${end - 1}/300000\r\n\r\n` +
      Buffer.from(bytes.slice(start, end)).toString('latin1')
    const expected = [part(0, 2), part(100_000, 100_003), part(299_999, 300_000)].map(
      (one) => `--${boundary}\r\n${one}\r\n`,
    )
    expect(Buffer.from(body).toString('latin1')).toBe(`${expected.join('')}--${boundary}--\r\n`)
  })

  test.each(['bytes=300000-', 'bytes=-0', 'bytes=9-2', 'bytes=0-,0-,0-', `bytes=${'1-1,'.repeat(50)}`])(
    '%.30s is a 416 with the size',
    async (range) => {
      const response = await get(blob, { range })
      expect(response.status).toBe(416)
      expect(response.headers.get('content-range')).toBe('bytes */300000')
    },
  )

  test.each([['items=0-1'], ['bytes=1-2,x']])('%s is ignored: the whole is sent', async (range) => {
    const response = await get(blob, { range })
    expect(response.status).toBe(200)
    expect(await bodyOf(response)).toEqual(bytes)
  })

  test.each([
    [`"${digest}"`, 206, 10],
    ['"other"', 200, 300_000],
    [`W/"${digest}"`, 200, 300_000],
    ['Tue, 24 Nov 2026 00:00:00 GMT', 200, 300_000],
  ])('If-Range %s', async (ifRange, status, length) => {
    const response = await get(blob, { range: 'bytes=0-9', 'if-range': ifRange })
    expect(response.status).toBe(status)
    expect(await bodyOf(response)).toHaveLength(length)
  })
})

describe('conditions', () => {
  test.each([
    [{ 'if-none-match': `"${digest}"` }, 304],
    [{ 'if-none-match': `W/"${digest}"` }, 304],
    [{ 'if-none-match': `"a", "${digest}"` }, 304],
    [{ 'if-none-match': '*' }, 304],
    [{ 'if-none-match': '"a"' }, 200],
    [{ 'if-none-match': `"${digest}"`, range: 'bytes=0-9' }, 304],
    [{ 'if-match': `"${digest}"` }, 200],
    [{ 'if-match': '"a"' }, 412],
    [{ 'if-match': '*', range: 'bytes=0-9' }, 206],
  ] as [Record<string, string>, number][])('%j gets %d', async (headers, status) => {
    const response = await get(blob, headers)
    expect(response.status).toBe(status)
    if (status === 304) expect(response.headers.get('etag')).toBe(`"${digest}"`)
    await response.arrayBuffer()
  })

  test('the timestamp is short-lived, and its tag follows its bytes', async () => {
    const path = '/metadata/timestamp.json'
    const first = await get(path)
    expect(first.headers.get('cache-control')).toBe('public, max-age=5')
    const etag = first.headers.get('etag')!
    expect((await get(path, { 'if-none-match': etag })).status).toBe(304)
    const file = join(root, 'stable', path)
    await writeFile(`${file}.new`, '{"generation":8}')
    await rename(`${file}.new`, file)
    const second = await get(path, { 'if-none-match': etag })
    expect([second.status, await second.text()]).toEqual([200, '{"generation":8}'])
  })
})

describe('names', () => {
  test.each([
    ['/lists/7.gz', 'a list'],
    ['/catalogue/6-7.pack', 'a pack'],
    ['/trace/host.example.org', '{}'],
    ['/channels/testing/metadata/timestamp.json', '{"generation":9}'],
  ])('%s', async (path, text) => {
    const response = await get(path)
    expect([response.status, await response.text()]).toEqual([200, text])
  })

  test.each([
    '/',
    '/secret',
    '/lists',
    '/lists/',
    '/lists/6.gz',
    '/lists/8.gz',
    '/lists/9.gz',
    '/trace/link',
    `/blobs/sha256/ff/${'ff'.repeat(32)}`,
    '/../keys/targets.key',
    '/lists/../secret',
    '/lists/../../keys/targets.key',
    '/lists/%2e%2e/%2e%2e/keys/targets.key',
    '/lists/..%2f..%2fkeys%2ftargets.key',
    '/lists/..%5c..%5ckeys%5ctargets.key',
    '/lists\\..\\..\\keys\\targets.key',
    '/lists/%c0%ae%c0%ae/keys/targets.key',
    '/lists/7.gz%00',
    '/lists/7.gz%20',
    '/lists//7.gz',
    '//lists/7.gz',
    '/./secret',
    '/channels/testing',
    '/channels/testing/',
    '/channels/testing/../keys/targets.key',
    '/channels/../keys/targets.key',
    '/channels/other/metadata/timestamp.json',
    '/channels/testing/channels/testing/metadata/timestamp.json',
    '/channels/__proto__/metadata/timestamp.json',
    `/${'a'.repeat(5000)}`,
  ])('%.60s does not exist, sent byte for byte', async (path) => {
    const answer = await sendRaw(`GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`)
    expect(answer).toMatch(/^HTTP\/1\.1 (404|400) /)
    expect(answer).not.toContain('secret key')
    expect(answer).not.toContain('outside')
  })

  test.each(['POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS'])('%s is refused', async (method) => {
    const response = await get(blob, {}, method)
    expect([response.status, response.headers.get('allow')]).toEqual([405, 'GET, HEAD'])
  })
})

function sendRaw(request: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let answer = ''
    const socket = connect(listener.port, '127.0.0.1', () => socket.write(request))
    socket.on('data', (chunk) => {
      answer += chunk.toString('latin1')
    })
    socket.on('close', () => resolve(answer))
    socket.on('error', reject)
  })
}
