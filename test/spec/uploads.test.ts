// end-4, 5, 6, 13 and 14: every way of bringing a blob, and every way of failing at it.

import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import {
  type Algorithm,
  type Blob,
  blobOf,
  digestOf,
  emptyConfig,
  pushBlob,
  randomBlob,
  startUpload,
  withQuery,
} from './content.ts'
import { expectError } from './expect-error.ts'
import { type Client, type Registry, type Reply, startRegistry, traces } from './registry.ts'

let registry: Registry
let client: Client
const name = 'uploads/here'
const uploads = `/v2/${name}/blobs/uploads/`

beforeAll(async () => {
  registry = await startRegistry()
  client = registry.builder
  await pushBlob(client, name, randomBlob(1)) // the repository exists: what fails later leaves no trace
})
afterAll(async () => await registry[Symbol.asyncDispose]())

const streamOf = (bytes: Uint8Array) =>
  new ReadableStream<Uint8Array>({
    start(controller) {
      for (let at = 0; at < bytes.length; at += 1000) controller.enqueue(bytes.subarray(at, at + 1000))
      controller.close()
    },
  })

const rangeOf = (first: number, bytes: Uint8Array) => ({ 'content-range': `${first}-${first + bytes.length - 1}` })

/** PATCH and PUT of a part, with the Content-Range that the spec asks for. */
async function sendChunk(method: string, location: string, blob: Blob, first: number, end: number): Promise<Reply> {
  const body = blob.bytes.subarray(first, end)
  return await client.ask(method, location, { body, headers: rangeOf(first, body) })
}

const put = (location: string, { digest }: Blob, body?: Uint8Array) =>
  client.ask('PUT', withQuery(location, { digest }), body === undefined ? {} : { body })

type Way = readonly [string, (blob: Blob, algorithm: Algorithm) => Promise<Reply>]

const ways: readonly Way[] = [
  ['POST alone', ({ digest, bytes }) => client.ask('POST', `${uploads}?digest=${digest}`, { body: bytes })],
  ['POST, PUT', async (blob) => put(await startUpload(client, name), blob, blob.bytes)],
  [
    'POST, PATCH as a stream without a length, PUT',
    async (blob) => {
      const patched = await client.ask('PATCH', await startUpload(client, name), { body: streamOf(blob.bytes) })
      expect(patched.status).toBe(202)
      return put(patched.headers.get('location')!, blob)
    },
  ],
  [
    'POST, PATCH in order, PUT',
    async (blob) => {
      let location = await startUpload(client, name)
      for (const [first, end] of [
        [0, 1000],
        [1000, 2000],
        [2000, blob.bytes.length],
      ] as const) {
        const patched = await sendChunk('PATCH', location, blob, first, end)
        expect([patched.status, patched.headers.get('range')]).toEqual([202, `0-${end - 1}`])
        location = patched.headers.get('location')!
      }
      return put(location, blob)
    },
  ],
  [
    'POST, PATCH, PUT of the last chunk',
    async (blob) => {
      const patched = await sendChunk('PATCH', await startUpload(client, name), blob, 0, 1000)
      const last = withQuery(patched.headers.get('location')!, { digest: blob.digest })
      return sendChunk('PUT', last, blob, 1000, blob.bytes.length)
    },
  ],
  [
    'POST with its digest-algorithm, PATCH, PUT',
    async (blob, algorithm) => {
      const location = await startUpload(client, name, `?digest-algorithm=${algorithm}`)
      const patched = await client.ask('PATCH', location, { body: blob.bytes })
      return put(patched.headers.get('location')!, blob)
    },
  ],
]

describe.each(['sha256', 'sha512'] as const)('%s', (algorithm) => {
  test.each(ways)('%s', async (_, push) => {
    const blob = randomBlob(2999, algorithm)
    const answer = await push(blob, algorithm)
    expect([answer.status, answer.text]).toEqual([201, ''])
    expect(answer.headers.get('docker-content-digest')).toBe(blob.digest)
    const read = await client.ask('GET', answer.headers.get('location')!)
    expect([read.status, read.bytes.equals(blob.bytes)]).toEqual([200, true])
    expect(new URL(answer.headers.get('location')!, registry.url).pathname).toBe(`/v2/${name}/blobs/${blob.digest}`)
  })

  test.each(ways)('%s, with other bytes than the digest has', async (_, push) => {
    const before = traces(registry)
    const good = randomBlob(2990, algorithm)
    const answer = await push(
      { digest: good.digest, bytes: Buffer.concat([good.bytes, Buffer.from('oh no')]) },
      algorithm,
    )
    expectError(answer, 400, 'DIGEST_INVALID')
    expect((await client.ask('HEAD', `/v2/${name}/blobs/${good.digest}`)).status).toBe(404)
    expect(traces(registry)).toEqual(before)
  })

  test('an empty blob, with and without an upload', async () => {
    const empty = blobOf('', algorithm)
    expect((await put(await startUpload(client, name), empty)).status).toBe(201)
    const alone = await client.ask('POST', `${uploads}?digest=${empty.digest}`)
    expect([alone.status, alone.headers.get('docker-content-digest')]).toEqual([201, empty.digest])
  })

  test('a chunk out of order is 416; GET tells where to go on', async () => {
    const blob = randomBlob(3000, algorithm)
    const location = await startUpload(client, name)
    await sendChunk('PATCH', location, blob, 0, 1000)
    for (const method of ['PATCH', 'PUT']) {
      for (const first of [2000, 0, 999]) {
        const query = method === 'PUT' ? { digest: blob.digest } : {}
        const answer = await sendChunk(method, withQuery(location, query as Record<string, string>), blob, first, 3000)
        expectError(answer, 416, 'RANGE_INVALID')
        expect(answer.headers.get('range')).toBe('0-999')
        expect(answer.headers.get('location')).toBe(location)
      }
    }
    const state = await client.ask('GET', location)
    expect([state.status, state.headers.get('range'), state.text]).toEqual([204, '0-999', ''])
    const next = state.headers.get('location')!
    expect((await sendChunk('PATCH', next, blob, 1000, 3000)).status).toBe(202)
    expect((await put(next, blob)).status).toBe(201)
  })
})

describe('an upload', () => {
  test('is opened with a Location, and a Range that says it is empty', async () => {
    const answer = await client.ask('POST', uploads)
    expect([answer.status, answer.text]).toEqual([202, ''])
    const location = answer.headers.get('location')!
    expect(location).toMatch(/^\/v2\/uploads\/here\/blobs\/uploads\/[0-9a-f-]{36}$/)
    expect(answer.headers.get('range')).toBe('0-0')
    expect(answer.headers.get('docker-upload-uuid')).toBe(location.slice(-36))
    for (const method of ['GET', 'HEAD']) expect((await client.ask(method, location)).status).toBe(204)
  })

  test('is opened without the last slash too', async () => {
    expect((await client.ask('POST', uploads.slice(0, -1))).status).toBe(202)
  })

  test('is dropped by DELETE, with its bytes', async () => {
    const before = traces(registry)
    const location = await startUpload(client, name)
    await client.ask('PATCH', location, { body: 'half of it' })
    expect(traces(registry)).not.toEqual(before)
    expect((await client.ask('DELETE', location)).status).toBe(204)
    expect(traces(registry)).toEqual(before)
    for (const method of ['GET', 'DELETE', 'PATCH', 'PUT'])
      expectError(await client.ask(method, location), 404, 'BLOB_UPLOAD_UNKNOWN')
  })

  test('may be ended twice: the first answer may have been lost', async () => {
    const blob = randomBlob(10)
    const location = await startUpload(client, name)
    await client.ask('PATCH', location, { body: blob.bytes })
    for (const _ of [1, 2]) {
      const answer = await put(location, blob)
      expect([answer.status, answer.headers.get('docker-content-digest')]).toEqual([201, blob.digest])
    }
  })

  test('a POST with a digest and without a body goes on with PUT', async () => {
    const blob = randomBlob(10, 'sha512')
    const location = await startUpload(client, name, `?digest=${blob.digest}`)
    expect((await put(location, blob, blob.bytes)).status).toBe(201)
  })

  test('of another algorithm than its digest is hashed again', async () => {
    const blob = randomBlob(10, 'sha512')
    const location = await startUpload(client, name, '?digest-algorithm=sha256')
    expect((await put(location, blob, blob.bytes)).status).toBe(201)
  })

  test('of another repository is unknown', async () => {
    const location = (await startUpload(client, 'uploads/there')).replace('uploads/there', name)
    const blob = randomBlob(10)
    for (const method of ['GET', 'DELETE']) expectError(await client.ask(method, location), 404, 'BLOB_UPLOAD_UNKNOWN')
    expectError(await client.ask('PATCH', location, { body: blob.bytes }), 404, 'BLOB_UPLOAD_UNKNOWN')
    expectError(await put(location, blob, blob.bytes), 404, 'BLOB_UPLOAD_UNKNOWN')
  })
})

describe('refused', () => {
  const { digest } = emptyConfig
  const opened: [string, string, string, Record<string, string>, string | undefined, number, string][] = [
    ['PUT without a digest', 'PUT', '', {}, 'x', 400, 'DIGEST_INVALID'],
    ['PUT with no digest at all', 'PUT', '?digest=', {}, 'x', 400, 'DIGEST_INVALID'],
    ['PUT with a short digest', 'PUT', '?digest=sha256:abc', {}, 'x', 400, 'DIGEST_INVALID'],
    ['PUT with a path for a digest', 'PUT', '?digest=sha256:../../x', {}, 'x', 400, 'DIGEST_INVALID'],
    ['PUT with an unknown algorithm', 'PUT', `?digest=sha1:${digest.slice(7, 47)}`, {}, 'x', 400, 'DIGEST_INVALID'],
    ['POST', 'POST', '', {}, 'x', 405, 'UNSUPPORTED'],
    ['no Content-Range', 'PATCH', '', { 'content-range': 'bytes' }, 'x', 400, 'BLOB_UPLOAD_INVALID'],
    ['a Content-Range that runs back', 'PATCH', '', { 'content-range': '1-0' }, 'xx', 400, 'BLOB_UPLOAD_INVALID'],
    ['a negative Content-Range', 'PATCH', '', { 'content-range': '-1-0' }, 'xx', 400, 'BLOB_UPLOAD_INVALID'],
    [
      'a Content-Range of twenty digits',
      'PATCH',
      '',
      { 'content-range': `0-${10n ** 19n}` },
      'x',
      400,
      'BLOB_UPLOAD_INVALID',
    ],
    ['a Content-Range longer than the body', 'PATCH', '', { 'content-range': '0-9' }, 'x', 400, 'SIZE_INVALID'],
    ['a Content-Range shorter than the body', 'PATCH', '', { 'content-range': '0-0' }, 'xx', 400, 'SIZE_INVALID'],
    ['a Content-Range without a body', 'PATCH', '', { 'content-range': '0-0' }, undefined, 400, 'SIZE_INVALID'],
  ]
  test.each(opened)('%s', async (_, method, query, headers, body, status, code) => {
    const location = await startUpload(client, name)
    const before = traces(registry)
    const answer = await client.ask(method, `${location}${query}`, { headers, ...(body === undefined ? {} : { body }) })
    expectError(answer, status, code)
    expect(traces(registry)).toEqual(before)
    expect((await client.ask('GET', location)).headers.get('range')).toBe('0-0')
    await client.ask('DELETE', location)
  })

  test('a stream longer than its Content-Range is cut there', async () => {
    const location = await startUpload(client, name)
    const headers = { 'content-range': '0-1499' }
    const answer = await client.ask('PATCH', location, { headers, body: streamOf(Buffer.alloc(3000)) })
    expectError(answer, 400, 'SIZE_INVALID')
    expect((await client.ask('GET', location)).headers.get('range')).toBe('0-1499')
  })

  test('a stream shorter than its Content-Range says so, and can go on', async () => {
    const location = await startUpload(client, name)
    const headers = { 'content-range': '0-4999' }
    const answer = await client.ask('PATCH', location, { headers, body: streamOf(Buffer.alloc(3000)) })
    expectError(answer, 400, 'SIZE_INVALID')
    expect((await client.ask('GET', location)).headers.get('range')).toBe('0-2999')
  })

  const unopened: [string, string, string, number, string][] = [
    ['an unknown upload', 'GET', `${uploads}00000000-0000-4000-8000-000000000000`, 404, 'BLOB_UPLOAD_UNKNOWN'],
    ['an upload that is no id', 'PATCH', `${uploads}x`, 404, 'BLOB_UPLOAD_UNKNOWN'],
    ['an upload that is a path', 'PATCH', `${uploads}..%2f..%2fx`, 404, 'BLOB_UPLOAD_UNKNOWN'],
    [
      'an upload that is .json',
      'GET',
      `${uploads}00000000-0000-4000-8000-000000000000.json`,
      404,
      'BLOB_UPLOAD_UNKNOWN',
    ],
    ['POST of a digest that is none', 'POST', `${uploads}?digest=sha256:1`, 400, 'DIGEST_INVALID'],
    ['an unknown digest-algorithm', 'POST', `${uploads}?digest-algorithm=sha1`, 400, 'DIGEST_INVALID'],
    ['an empty digest-algorithm', 'POST', `${uploads}?digest-algorithm=`, 400, 'DIGEST_INVALID'],
    ['a mount of no digest', 'POST', `${uploads}?mount=latest&from=a`, 400, 'DIGEST_INVALID'],
    ['a mount from no name', 'POST', `${uploads}?mount=${digest}&from=A`, 400, 'NAME_INVALID'],
    ['GET of the uploads', 'GET', uploads, 405, 'UNSUPPORTED'],
  ]
  test.each(unopened)('%s', async (_, method, path, status, code) => {
    const before = traces(registry)
    expectError(await client.ask(method, path), status, code)
    expect(traces(registry)).toEqual(before)
  })
})

describe('at the same time', () => {
  test('two clients push the same blob: both get 201', async () => {
    const blob = randomBlob(3_000_000)
    const pushes = Array.from({ length: 6 }, async (_, at) => {
      const location = await startUpload(client, `uploads/parallel-${at % 2}`)
      return await put(location, blob, blob.bytes)
    })
    expect((await Promise.all(pushes)).map((answer) => answer.status)).toEqual(Array(6).fill(201))
    for (const at of [0, 1]) {
      const read = await client.ask('GET', `/v2/uploads/parallel-${at}/blobs/${blob.digest}`)
      expect(digestOf(read.bytes)).toBe(blob.digest)
    }
  })

  test('two requests write one upload: one of them is told 409', async () => {
    const location = await startUpload(client, name)
    const held = Promise.withResolvers<void>()
    const slow = new ReadableStream<Uint8Array>({
      async start(controller) {
        controller.enqueue(Buffer.from('first'))
        await held.promise
        controller.close()
      },
    })
    const first = client.ask('PATCH', location, { body: slow })
    let second: Reply
    do second = await client.ask('PATCH', location)
    while (second.status === 202 && second.headers.get('range') === '0-0' && (await busy(location)) === false)
    const third = await client.ask('PATCH', location, { body: 'second' })
    expectError(third, 409, 'BLOB_UPLOAD_INVALID')
    expectError(await client.ask('DELETE', location), 409, 'BLOB_UPLOAD_INVALID')
    held.resolve()
    const answer = await first
    expect([answer.status, answer.headers.get('range')]).toEqual([202, '0-4'])
  })

  const busy = async (location: string) => (await put(location, blobOf('never'), Buffer.from('never'))).status === 409
})
