// Several sources at once: fallbacks, liars, busy ones, and hosts that a source redirects to.

import { afterEach, beforeEach, describe, expect, test } from 'bun:test'
import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { OutboundClient } from '#http/outbound/outbound-client.ts'
import { blobPath, type Digest, hexOf } from '#oci/digest.ts'
import type { ReplicateEvent } from '#stages/replicate/replicate-event.ts'
import type { ReplicateOptions, ReplicateTools } from '#stages/replicate/replicate-options.ts'
import { digestOf, PublishedTree } from '../kit/published-tree.ts'
import { readContents } from '../kit/read-contents.ts'
import { runReplicate } from '../kit/run-replicate.ts'
import { startTreeOrigin, type TreeOrigin } from '../kit/tree-origin.ts'

const blobCount = 12
const bytesOf = (n: number) => Uint8Array.from({ length: 70_000 + n }, (_, i) => (i * (n + 3) + n) % 251)

let root: string
let to: string
let tree: PublishedTree
let client: OutboundClient
/** The publisher's own, and two that hold copies. */
let origins: [TreeOrigin, TreeOrigin, TreeOrigin]
let events: ReplicateEvent[]

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'replicate-sources-'))
  to = join(root, 'copy')
  client = new OutboundClient({ allowPrivate: true, userAgent: 'flotilla/test' })
  tree = await PublishedTree.make(join(root, 'tree'), join(root, 'keys'))
  for (let n = 1; n <= blobCount; n++) await tree.add(bytesOf(n))
  await tree.publish()
  for (const name of ['b', 'c']) await cp(tree.folder, join(root, name), { recursive: true })
  origins = [startTreeOrigin(tree.folder), startTreeOrigin(join(root, 'b')), startTreeOrigin(join(root, 'c'))]
  events = []
})
afterEach(async () => {
  for (const one of origins) await one.listener.stop(100)
  await client[Symbol.asyncDispose]()
  await rm(root, { recursive: true })
})

function run(options: Partial<ReplicateOptions> = {}, tools: Partial<ReplicateTools> = {}) {
  const from = origins.map((one) => one.url)
  return runReplicate(client, { from, to, ...options }, { onEvent: (event) => events.push(event), ...tools })
}

const blobsAsked = (origin: TreeOrigin) => origin.asked.filter((one) => one.includes('/blobs/'))
const copies = (n: number) => [join(root, 'tree'), join(root, 'b'), join(root, 'c')][n]!

async function expectWhole(): Promise<void> {
  expect((await readContents(to)).generation).toBe(tree.generation)
  for (const digest of tree.blobs.keys())
    expect(digestOf(await readFile(join(to, blobPath(digest)))), digest).toBe(digest)
}

async function spoil(folder: string, digest: Digest): Promise<void> {
  const path = join(folder, blobPath(digest))
  const bytes = await readFile(path)
  bytes[1000]! ^= 1
  await writeFile(path, bytes)
}

describe('several sources', () => {
  test('share the blobs, each of which is fetched once', async () => {
    expect(await run()).toMatchObject({ outcome: 'updated', liars: [], warnings: [] })
    for (const one of origins) expect(blobsAsked(one).length).toBeGreaterThan(0)
    expect(origins.flatMap(blobsAsked)).toHaveLength(blobCount)
    await expectWhole()
    for (const one of origins) one.forget()
    expect(await run()).toMatchObject({ outcome: 'unchanged' })
    for (const one of origins) expect(one.statuses.toSorted()).toEqual([304, 404])
  })

  test.each([0, 1])('when number %i is down, the others do', async (down) => {
    await origins[down]!.listener.stop(0)
    const result = await run({ connections: 2 })
    expect(result).toMatchObject({ outcome: 'updated', warnings: [expect.stringContaining('')] })
    await expectWhole()
  })

  test('the newest generation that any proves is taken; those behind give what they have', async () => {
    await tree.add(bytesOf(50))
    await tree.publish()
    expect(await run({ from: [origins[1].url, origins[0].url] })).toMatchObject({ generation: 2 })
    await expectWhole()
    expect(blobsAsked(origins[1]).length).toBeGreaterThan(0)
    const late = await run({ from: [origins[1].url, origins[0].url] })
    expect(late).toMatchObject({ outcome: 'unchanged', generation: 2, warnings: [] })
  })

  test('one with keys of its own is not asked for anything', async () => {
    const stranger = await PublishedTree.make(join(root, 'stranger'), join(root, 'stranger-keys'))
    await stranger.publish()
    await cp(join(stranger.folder, 'metadata'), join(copies(1), 'metadata'), { recursive: true })
    const warned = await run()
    expect(warned.warnings).toEqual([expect.stringContaining('not the keys that are trusted here')])
    expect(events).toContainEqual(expect.objectContaining({ event: 'source', reason: 'untrusted' }))
    expect(blobsAsked(origins[1])).toEqual([])
    await expectWhole()
  })

  test('a liar is dropped, told of, and what it lied about comes from elsewhere', async () => {
    for (const digest of tree.blobs.keys()) await spoil(copies(1), digest)
    const result = await run({ connections: 1 })
    expect(result.liars).toEqual([
      { url: origins[1].url, path: expect.stringContaining('blobs/'), what: expect.stringContaining('other bytes') },
    ])
    expect(events).toContainEqual({ event: 'liar', ...result.liars[0]! })
    expect(blobsAsked(origins[1])).toHaveLength(1)
    await expectWhole()
  })

  test.each<[string, Record<string, string>]>([
    ['a length that is too large', { 'content-length': '70500' }],
    ['too many bytes', {}],
  ])('one that lies about lengths is a liar: %s', async (_, headers) => {
    const body = new Uint8Array(70_500)
    origins[1].interfere = (ask) => (ask.path.startsWith('/blobs/') ? { status: 200, headers, body } : undefined)
    const { liars } = await run({ connections: 1 })
    expect(liars.map((one) => one.url)).toEqual([origins[1].url])
    await expectWhole()
  })

  test('a part that one source began is gone on with at another', async () => {
    const [digest] = [...tree.blobs.keys()].toSorted()
    const bytes = await readFile(join(tree.folder, blobPath(digest!)))
    origins[0].interfere = (ask) => {
      if (!ask.path.includes(hexOf(digest!))) return undefined
      const half = new ReadableStream<Uint8Array>({
        start(controller) {
          controller.enqueue(bytes.subarray(0, 40_000))
          controller.close()
        },
      })
      return { status: 200, headers: {}, body: half }
    }
    await run({ connections: 1 })
    await expectWhole()
    const asked = origins.flatMap(blobsAsked).filter((one) => one.includes(hexOf(digest!)))
    expect(asked).toEqual([`GET /${blobPath(digest!)}`, `GET /${blobPath(digest!)} bytes=40000-`])
  })
})

describe('a busy source', () => {
  test('is waited for, as long as it says, while other files come', async () => {
    const path = `/${blobPath([...tree.blobs.keys()].toSorted()[0]!)}`
    let refusals = 1
    const order: string[] = []
    origins[0].interfere = (ask) => {
      if (ask.path !== path) return void order.push(ask.path)
      order.push(refusals > 0 ? 'put off' : 'sent')
      return refusals-- > 0 ? { status: 503, headers: { 'retry-after': '1' } } : undefined
    }
    expect(await run({ from: [origins[0].url], connections: 1, tries: 1 })).toMatchObject({ outcome: 'updated' })
    expect(order.at(-1)).toBe('sent')
    expect(order.indexOf('put off')).toBeLessThan(order.length - blobCount + 1)
    expect(events).toContainEqual({ event: 'wait', what: path.slice(1), ms: 1000 })
    await expectWhole()
  })

  test('is not waited for when another has the file', async () => {
    origins[0].interfere = (ask) =>
      ask.path.startsWith('/blobs/') ? { status: 429, headers: { 'retry-after': '3600' } } : undefined
    expect(await run({ connections: 1 })).toMatchObject({ outcome: 'updated' })
    expect(blobsAsked(origins[0]).length).toBeLessThan(blobCount)
    await expectWhole()
  })

  test('that puts everything off is asked for few files only, and given up when the patience is over', async () => {
    origins[0].interfere = (ask) =>
      ask.path.startsWith('/blobs/') ? { status: 503, headers: { 'retry-after': '3600' } } : undefined
    const hurried = run({ from: [origins[0].url], connections: 1, patienceMs: 1000 })
    await expect(hurried).rejects.toMatchObject({ reason: 'source', message: expect.stringContaining('--patience') })
    expect(blobsAsked(origins[0]).length).toBeLessThanOrEqual(10)
  })
})

describe('a source that redirects blobs to hosts', () => {
  /** The first origin sends everybody to the others by name, unless they are to be avoided. */
  function redirect(hosts: Record<string, string>): string[] {
    const avoided: string[] = []
    origins[0].interfere = (ask) => {
      if (!ask.path.startsWith('/blobs/')) return undefined
      const avoid = ask.header('flotilla-avoid') ?? ''
      avoided.push(avoid)
      const host = Object.keys(hosts).find((name) => !avoid.split(', ').includes(name))
      if (host === undefined) return undefined
      return { status: 307, headers: { location: `${hosts[host]}${ask.path}`, 'flotilla-host': host } }
    }
    return avoided
  }
  const one = () => ({ from: [origins[0].url], connections: 1 })

  test('is followed, without telling the host who we are', async () => {
    redirect({ b: origins[1].url })
    let told: (string | undefined)[] = []
    origins[1].interfere = (ask) => {
      told = ['flotilla-replica', 'flotilla-host', 'authorization', 'cookie'].map((name) => ask.header(name))
      return undefined
    }
    expect(await run(one())).toMatchObject({ outcome: 'updated', liars: [] })
    expect(blobsAsked(origins[1])).toHaveLength(blobCount)
    expect(told).toEqual([undefined, undefined, undefined, undefined])
    await expectWhole()
  })

  test('tells each source who asks, the same each time', async () => {
    const told = new Set<string>()
    origins[0].interfere = (ask) => {
      told.add(`${ask.header('flotilla-replica')} ${ask.header('flotilla-host')}`)
      return undefined
    }
    await run(one())
    await run(one())
    expect([...told]).toEqual([expect.stringMatching(/^[0-9a-f]{32} host\.example\.org$/)])
  })

  test('is asked for another host when one sends wrong bytes, and is not blamed', async () => {
    for (const digest of tree.blobs.keys()) await spoil(copies(1), digest)
    const avoided = redirect({ b: origins[1].url, c: origins[2].url })
    const { liars } = await run(one())
    expect(liars.map(({ url }) => url)).toEqual([origins[1].url])
    expect(avoided[0]).toBe('')
    expect(new Set(avoided.slice(1))).toEqual(new Set(['b']))
    expect(blobsAsked(origins[1])).toHaveLength(1)
    await expectWhole()
  })

  test.each<[string, () => unknown]>([
    ['404', () => ({ status: 404, headers: {} })],
    ['503 and a time', () => ({ status: 503, headers: { 'retry-after': '9' } })],
    ['packed bytes', () => ({ status: 200, headers: { 'content-encoding': 'gzip' }, body: new Uint8Array(9) })],
  ])('is asked for another host when one answers %s', async (_, answer) => {
    redirect({ b: origins[1].url })
    origins[1].interfere = () => answer() as never
    expect(await run(one())).toMatchObject({ outcome: 'updated', liars: [] })
    expect(origins[1].asked).toHaveLength(1)
    await expectWhole()
  })

  test('to a private address is not followed unless that is allowed', async () => {
    const avoided = redirect({ b: origins[1].url })
    await using strict = new OutboundClient({ allowPrivate: false, userAgent: 'flotilla/test' })
    expect(await run(one(), { hostClient: strict })).toMatchObject({ outcome: 'updated' })
    expect(origins[1].asked).toEqual([])
    expect(avoided).toContain('b')
    await rm(to, { recursive: true })
    origins[0].interfere = (ask) =>
      ask.path.startsWith('/blobs/') ? { status: 307, headers: { location: 'http://127.0.0.1:8080/x' } } : undefined
    await expect(run(one(), { hostClient: strict })).rejects.toMatchObject({
      reason: 'source',
      message: expect.stringMatching(/127\.0\.0\.1 is a loopback address; --allow-private/),
    })
    expect(await readdir(to)).not.toContain('metadata')
  })

  test('may not send lists, packs or metadata elsewhere', async () => {
    for (const path of ['/lists/', '/catalogue/', '/metadata/timestamp.json']) {
      origins[0].interfere = (ask) =>
        ask.path.startsWith(path) ? { status: 307, headers: { location: `${origins[1].url}${ask.path}` } } : undefined
      await expect(run(one())).rejects.toThrow('redirects elsewhere')
      expect(origins[1].asked).toEqual([])
    }
  })
})

test('a half-copied tree that somebody edited by hand is completed', async () => {
  await cp(tree.folder, to, { recursive: true })
  const [a, b, c] = [...tree.blobs.keys()]
  await rm(join(to, blobPath(a!)))
  await writeFile(join(to, blobPath(b!)), 'hello')
  await rm(join(to, blobPath(c!)))
  await mkdir(join(to, blobPath(c!)))
  await writeFile(join(to, 'metadata/1.targets.json'), '{}')
  await writeFile(join(to, 'lists/1.gz'), 'x')
  expect(await run()).toMatchObject({ outcome: 'updated', damaged: 2, files: 4 })
  await expectWhole()
})
