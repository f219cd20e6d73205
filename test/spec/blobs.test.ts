// end-2 and end-10: blobs are read whole, in part, and deleted.

import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { appendFileSync, chmodSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Blob, blobOf, makeImage, pushBlob, pushImage, randomBlob, startUpload, withQuery } from './content.ts'
import { expectError } from './expect-error.ts'
import { type Client, type Registry, startRegistry, traces } from './registry.ts'

let registry: Registry
let client: Client
const blob = randomBlob(2048)
const name = 'blobs/read'
const path = `/v2/${name}/blobs/${blob.digest}`

beforeAll(async () => {
  registry = await startRegistry()
  client = registry.builder
  await pushBlob(client, name, blob)
})
afterAll(async () => await registry[Symbol.asyncDispose]())

const fileOf = ({ digest }: Blob) => {
  const [algorithm = '', hex = ''] = digest.split(':')
  return join(registry.store, 'blobs', algorithm, hex.slice(0, 2), hex)
}

describe('a blob is read', () => {
  test.each(['GET', 'HEAD'])('%s tells its length and digest', async (method) => {
    const answer = await client.ask(method, path)
    expect(answer.status).toBe(200)
    expect(answer.headers.get('content-length')).toBe('2048')
    expect(answer.headers.get('docker-content-digest')).toBe(blob.digest)
    expect(answer.headers.get('content-type')).toBe('application/octet-stream')
    expect(answer.headers.get('content-encoding')).toBeNull()
    expect(answer.bytes.equals(method === 'GET' ? blob.bytes : Buffer.alloc(0))).toBe(true)
  })

  const parts: [string, number, number][] = [
    ['bytes=500-1499', 500, 1499],
    ['bytes=500-', 500, 2047],
    ['bytes=-500', 1548, 2047],
    ['bytes=2000-5000', 2000, 2047],
    ['bytes=0-0', 0, 0],
    ['bytes=-9999', 0, 2047],
  ]
  test.each(parts)('%s', async (range, first, last) => {
    const answer = await client.ask('GET', path, { headers: { range } })
    expect(answer.status).toBe(206)
    expect(answer.headers.get('content-range')).toBe(`bytes ${first}-${last}/2048`)
    expect(answer.headers.get('content-length')).toBe(String(last - first + 1))
    expect(answer.headers.get('docker-content-digest')).toBe(blob.digest)
    expect(answer.bytes.equals(blob.bytes.subarray(first, last + 1))).toBe(true)
  })

  test.each(['bytes=500-0', 'bytes=5000-10000', 'bytes=2048-', 'bytes=-0'])('%s lies nowhere in it', async (range) => {
    const answer = await client.ask('GET', path, { headers: { range } })
    expectError(answer, 416, 'RANGE_INVALID')
    expect(answer.headers.get('content-range')).toBe('bytes */2048')
  })

  test.each(['lines=0-1', 'bytes=x', 'bytes=0-1,1000-1001'])('%s is answered whole', async (range) => {
    const answer = await client.ask('GET', path, { headers: { range } })
    expect([answer.status, answer.bytes.length]).toEqual([200, 2048])
  })

  test('If-Range and If-None-Match know its etag', async () => {
    const etag = `"${blob.digest}"`
    const range = 'bytes=0-9'
    expect((await client.ask('GET', path, { headers: { range, 'if-range': etag } })).status).toBe(206)
    expect((await client.ask('GET', path, { headers: { range, 'if-range': '"other"' } })).status).toBe(200)
    const same = await client.ask('GET', path, { headers: { 'if-none-match': etag } })
    expect([same.status, same.bytes.length, same.headers.get('etag')]).toEqual([304, 0, etag])
  })

  test('an empty one is a blob like any other', async () => {
    const empty = blobOf('')
    await pushBlob(client, name, empty)
    const answer = await client.ask('GET', `/v2/${name}/blobs/${empty.digest}`)
    expect([answer.status, answer.headers.get('content-length'), answer.bytes.length]).toEqual([200, '0', 0])
    const range = await client.ask('GET', `/v2/${name}/blobs/${empty.digest}`, { headers: { range: 'bytes=0-' } })
    expectError(range, 416, 'RANGE_INVALID')
  })

  test('with the colon escaped too', async () => {
    expect((await client.ask('HEAD', path.replace('sha256:', 'sha256%3A'))).status).toBe(200)
  })
})

describe('what is not there', () => {
  const { digest } = randomBlob(1)
  const cases: [string, string, number, string][] = [
    ['GET', `/v2/${name}/blobs/${digest}`, 404, 'BLOB_UNKNOWN'],
    ['GET', `/v2/other/blobs/${blob.digest}`, 404, 'BLOB_UNKNOWN'],
    ['GET', `/v2/${name}/blobs/sha256:abc`, 400, 'DIGEST_INVALID'],
    ['GET', `/v2/${name}/blobs/${digest.toUpperCase()}`, 400, 'DIGEST_INVALID'],
    ['GET', `/v2/${name}/blobs/${digest}0`, 400, 'DIGEST_INVALID'],
    ['GET', `/v2/${name}/blobs/md5:d41d8cd98f00b204e9800998ecf8427e`, 400, 'DIGEST_INVALID'],
    ['GET', `/v2/${name}/blobs/latest`, 400, 'DIGEST_INVALID'],
    ['GET', `/v2/${name}/blobs/..%2f..%2fkeys%2fadmin-token`, 400, 'DIGEST_INVALID'],
    ['PUT', `/v2/${name}/blobs/${digest}`, 405, 'UNSUPPORTED'],
    ['POST', path, 405, 'UNSUPPORTED'],
  ]
  test.each(cases)('%s %s', async (method, path, status, code) => {
    expectError(await client.ask(method, path), status, code)
  })

  test('HEAD has the status and no body', async () => {
    const answer = await client.ask('HEAD', `/v2/${name}/blobs/${digest}`)
    expect([answer.status, answer.bytes.length]).toEqual([404, 0])
  })
})

describe('deleting', () => {
  test('takes the blob out of this repository only', async () => {
    const shared = randomBlob(100)
    for (const repository of ['blobs/one', 'blobs/two']) await pushBlob(client, repository, shared)
    const answer = await registry.admin.ask('DELETE', `/v2/blobs/one/blobs/${shared.digest}`)
    expect([answer.status, answer.headers.get('docker-content-digest')]).toEqual([202, shared.digest])
    expect((await client.ask('HEAD', `/v2/blobs/one/blobs/${shared.digest}`)).status).toBe(404)
    expect((await client.ask('GET', `/v2/blobs/two/blobs/${shared.digest}`)).bytes.equals(shared.bytes)).toBe(true)
    expectError(await registry.admin.ask('DELETE', `/v2/blobs/one/blobs/${shared.digest}`), 404, 'BLOB_UNKNOWN')
  })

  test('is refused while a manifest of the repository needs it', async () => {
    const image = makeImage()
    await pushImage(client, 'blobs/used', 'latest', image)
    const layer = `/v2/blobs/used/blobs/${image.blobs[0]!.digest}`
    const before = traces(registry)
    expectError(await registry.admin.ask('DELETE', layer), 405, 'UNSUPPORTED')
    expect(traces(registry)).toEqual(before)
    await registry.admin.ask('DELETE', `/v2/blobs/used/manifests/${image.manifest.digest}`)
    expect((await registry.admin.ask('DELETE', layer)).status).toBe(202)
  })

  test('of what is not there', async () => {
    const { digest } = randomBlob(1)
    expectError(await registry.admin.ask('DELETE', `/v2/${name}/blobs/${digest}`), 404, 'BLOB_UNKNOWN')
    expectError(await registry.admin.ask('DELETE', `/v2/no/such/blobs/${digest}`), 404, 'NAME_UNKNOWN')
    expectError(await registry.admin.ask('DELETE', `/v2/${name}/blobs/sha256:x`), 400, 'DIGEST_INVALID')
  })
})

describe('damaged bytes', () => {
  const damages: [string, (file: string) => void][] = [
    ['longer', (file) => appendFileSync(file, 'x')],
    ['emptied', (file) => writeFileSync(file, '')],
    ['gone', (file) => rmSync(file)],
  ]
  test.each(damages)('%s: absent to clients, who push it again', async (_, damage) => {
    const lost = randomBlob(500)
    const at = `/v2/blobs/lost/blobs/${lost.digest}`
    await pushBlob(client, 'blobs/lost', lost)
    chmodSync(fileOf(lost), 0o644)
    damage(fileOf(lost))
    expect((await client.ask('HEAD', at)).status).toBe(404)
    expectError(await client.ask('GET', at), 404, 'BLOB_UNKNOWN')
    const mount = await client.ask('POST', `/v2/blobs/elsewhere/blobs/uploads/?mount=${lost.digest}&from=blobs/lost`)
    expect(mount.status).toBe(202)
    // An upload that never was must not be said to have ended well.
    const gone = '/v2/blobs/lost/blobs/uploads/00000000-0000-4000-8000-000000000000'
    expectError(await client.ask('PUT', withQuery(gone, { digest: lost.digest })), 404, 'BLOB_UPLOAD_UNKNOWN')
    await pushBlob(client, 'blobs/lost', lost)
    expect((await client.ask('GET', at)).bytes.equals(lost.bytes)).toBe(true)
  })

  test('same length, other bytes: a push repairs it', async () => {
    const rotten = randomBlob(500)
    await pushBlob(client, 'blobs/rotten', rotten)
    writeFileSync(fileOf(rotten), Buffer.alloc(500))
    const location = await startUpload(client, 'blobs/rotten')
    await client.ask('PUT', withQuery(location, { digest: rotten.digest }), { body: rotten.bytes })
    const answer = await client.ask('GET', `/v2/blobs/rotten/blobs/${rotten.digest}`)
    expect(answer.bytes.equals(rotten.bytes)).toBe(true)
  })
})
