// What a full disk and a killed process leave behind.

import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { runProgram } from '../kit/process.ts'
import { waitUntil } from '../kit/wait-until.ts'
import { openWire } from '../kit/wire.ts'
import { digestOf, makeImage, pushBlob, pushImage, randomBlob, startUpload, types, withQuery } from './content.ts'
import { expectError } from './expect-error.ts'
import { type Client, type Registry, startRegistry, traces } from './registry.ts'

describe('kill -9', () => {
  let registry: Registry
  let client: Client
  const name = 'storage/killed'

  beforeAll(async () => {
    registry = await startRegistry()
    client = registry.builder
  })
  afterAll(async () => await registry[Symbol.asyncDispose]())

  test('an upload goes on where its bytes end, and what was acknowledged is there', async () => {
    const image = makeImage()
    await pushImage(client, name, 'latest', image)
    const blob = randomBlob(5_000_000)
    const location = await startUpload(client, name)
    const first = await client.ask('PATCH', location, { body: blob.bytes.subarray(0, 1_000_000) })
    expect(first.headers.get('range')).toBe('0-999999')
    const wire = await openWire(registry)
    await wire.send(
      `PATCH ${location} HTTP/1.1\r\nHost: a\r\nAuthorization: ${client.basic}\r\nContent-Length: 4000000\r\n\r\n`,
    )
    await wire.send(blob.bytes.subarray(1_000_000, 3_500_000))
    await waitUntil(async () => (await client.ask('GET', location)).headers.get('range') !== '0-999999', {
      what: 'more bytes have come',
    })
    await registry.restart('SIGKILL')
    await wire.ended
    const state = await client.ask('GET', location)
    expect(state.status).toBe(204)
    const offset = Number(state.headers.get('range')!.slice(2)) + 1
    expect(offset).toBeGreaterThan(1_000_000)
    const rest = await client.ask('PATCH', state.headers.get('location')!, {
      body: blob.bytes.subarray(offset),
      headers: { 'content-range': `${offset}-4999999` },
    })
    expect(rest.status).toBe(202)
    expect((await client.ask('PUT', withQuery(location, { digest: blob.digest }))).status).toBe(201)
    expect(digestOf((await client.ask('GET', `/v2/${name}/blobs/${blob.digest}`)).bytes)).toBe(blob.digest)
    const read = await client.ask('GET', `/v2/${name}/manifests/latest`)
    expect(read.bytes.equals(image.manifest.bytes)).toBe(true)
  })

  test('TERM: a restart keeps uploads, credentials and tokens', async () => {
    const location = await startUpload(client, name)
    await client.ask('PATCH', location, { body: 'hello' })
    const authorization = `Bearer ${await client.token(`repository:${name}:pull,push`)}`
    await registry.restart('SIGTERM')
    const state = await client.ask('GET', location, { headers: { authorization } })
    expect([state.status, state.headers.get('range')]).toEqual([204, '0-4'])
  })
})

const isRoot = process.getuid?.() === 0

describe.skipIf(!isRoot)('a full disk', () => {
  const disk = mkdtempSync(join(tmpdir(), 'flotilla-disk-'))
  const store = join(disk, 'store')
  const name = 'storage/full'
  let registry: Registry
  let client: Client

  beforeAll(async () => {
    const mounted = await runProgram('mount', ['-t', 'tmpfs', '-o', 'size=8m', 'tmpfs', disk])
    if (mounted.code !== 0) throw new Error(`no small file system for this test: ${mounted.stderr}`)
    mkdirSync(store)
    registry = await startRegistry({ FLOTILLA_BLOBS: store })
    client = registry.builder
    await pushBlob(client, name, randomBlob(1000))
  })
  afterAll(async () => {
    await registry?.[Symbol.asyncDispose]()
    await runProgram('umount', [disk])
    rmSync(disk, { recursive: true, force: true })
  })

  const seen = () => traces({ store, flotilla: registry.flotilla })
  const large = randomBlob(12 << 20)

  const ways: [string, () => Promise<Awaited<ReturnType<Client['ask']>>>][] = [
    [
      'POST alone',
      () => client.ask('POST', `/v2/${name}/blobs/uploads/?digest=${large.digest}`, { body: large.bytes }),
    ],
    [
      'POST, PUT',
      async () =>
        client.ask('PUT', withQuery(await startUpload(client, name), { digest: large.digest }), { body: large.bytes }),
    ],
    ['POST, PATCH', async () => client.ask('PATCH', await startUpload(client, name), { body: large.bytes })],
  ]
  test.each(ways)('%s of more than it holds is STORAGE_FULL and leaves nothing', async (_, push) => {
    const before = seen()
    expectError(await push(), 507, 'STORAGE_FULL')
    expect(seen()).toEqual(before)
    const small = randomBlob(1 << 20)
    await pushBlob(client, name, small)
    await registry.admin.ask('DELETE', `/v2/${name}/blobs/${small.digest}`)
    rmSync(join(store, 'blobs/sha256', small.digest.slice(7, 9), small.digest.slice(7)))
  })

  test('manifests and new uploads too, while reading goes on', async () => {
    const image = makeImage()
    await pushImage(client, name, 'before', image)
    const filler = join(store, 'filler')
    await runProgram('dd', ['if=/dev/zero', `of=${filler}`, 'bs=4096'])
    expect(existsSync(filler)).toBe(true)
    const before = seen()
    const { manifest } = makeImage()
    const options = {
      body: JSON.stringify({ ...JSON.parse(image.manifest.bytes.toString()), annotations: { a: manifest.digest } }),
    }
    const put = await client.ask('PUT', `/v2/${name}/manifests/after`, {
      ...options,
      headers: { 'content-type': types.manifest },
    })
    expectError(put, 507, 'STORAGE_FULL')
    expectError(await client.ask('POST', `/v2/${name}/blobs/uploads/`), 507, 'STORAGE_FULL')
    expect(seen()).toEqual(before)
    expect(readdirSync(join(store, 'uploads'))).toEqual([])
    expect((await client.ask('GET', `/v2/${name}/manifests/before`)).bytes.equals(image.manifest.bytes)).toBe(true)
    rmSync(filler)
    expect((await client.ask('POST', `/v2/${name}/blobs/uploads/`)).status).toBe(202)
  })
})
