// end-11: blobs mounted from other repositories.

import { afterAll, beforeAll, expect, test } from 'bun:test'
import { pushBlob, randomBlob, withQuery } from './content.ts'
import { type Client, type Registry, startRegistry, traces } from './registry.ts'

let registry: Registry
let client: Client

beforeAll(async () => {
  registry = await startRegistry()
  client = registry.builder
})
afterAll(async () => await registry[Symbol.asyncDispose]())

const mount = (digest: string, from?: string) =>
  client.ask('POST', withQuery('/v2/mounts/to/blobs/uploads/', { mount: digest, ...(from && { from }) }))

test.each(['sha256', 'sha512'] as const)('%s, with and without a source', async (algorithm) => {
  for (const from of ['mounts/from', undefined]) {
    const blob = randomBlob(512, algorithm)
    await pushBlob(client, 'mounts/from', blob)
    const before = traces(registry).filter((line) => line.includes('blobs/'))
    const answer = await mount(blob.digest, from)
    expect([answer.status, answer.text]).toEqual([201, ''])
    expect(answer.headers.get('location')).toBe(`/v2/mounts/to/blobs/${blob.digest}`)
    expect(answer.headers.get('docker-content-digest')).toBe(blob.digest)
    const read = await client.ask('GET', answer.headers.get('location')!)
    expect(read.bytes.equals(blob.bytes)).toBe(true)
    // No byte was copied.
    expect(traces(registry).filter((line) => line.includes('blobs/'))).toEqual(before)
    await registry.admin.ask('DELETE', `/v2/mounts/from/blobs/${blob.digest}`)
    expect((await client.ask('HEAD', answer.headers.get('location')!)).status).toBe(200)
  }
})

test.each(['mounts/from', 'mounts/never', undefined])(
  'of a blob that %s does not hold: 202 and an upload',
  async (from) => {
    const blob = randomBlob(512)
    const answer = await mount(blob.digest, from)
    expect(answer.status).toBe(202)
    const location = answer.headers.get('location')!
    const put = await client.ask('PUT', withQuery(location, { digest: blob.digest }), { body: blob.bytes })
    expect(put.status).toBe(201)
  },
)

test('of a blob that another repository than the named one holds: 202', async () => {
  const blob = randomBlob(512)
  await pushBlob(client, 'mounts/other', blob)
  expect((await mount(blob.digest, 'mounts/from')).status).toBe(202)
})

test('twice, and onto itself', async () => {
  const blob = randomBlob(512)
  await pushBlob(client, 'mounts/to', blob)
  for (const from of ['mounts/to', 'mounts/to', undefined]) expect((await mount(blob.digest, from)).status).toBe(201)
})

test('a failed mount that brings the digest and the bytes is a push', async () => {
  const blob = randomBlob(512)
  const path = withQuery('/v2/mounts/to/blobs/uploads/', { mount: blob.digest, digest: blob.digest })
  expect((await client.ask('POST', path, { body: blob.bytes })).status).toBe(201)
})
