// Copies that carry a part of the tree: by repository, platform, size and popularity.

import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'bun:test'
import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { OutboundClient } from '#http/outbound/outbound-client.ts'
import { blobPath, type Digest, makeDigest } from '#oci/digest.ts'
import { writePopularityList } from '#snapshots/popularity-list.ts'
import { filesOf } from '#snapshots/tree-contents.ts'
import { popularityPath } from '#snapshots/tree-path.ts'
import type { ReplicateOptions } from '#stages/replicate/replicate-options.ts'
import { digestOf, PublishedTree } from '../kit/published-tree.ts'
import { readContents } from '../kit/read-contents.ts'
import { largeLayer, openReleaseLine, type ReleaseLine } from '../kit/release-line.ts'
import { runReplicate } from '../kit/run-replicate.ts'
import { startTreeOrigin, type TreeOrigin } from '../kit/tree-origin.ts'

let root: string
let to: string
let client: OutboundClient
let origin: TreeOrigin
let nowMs: number
let count = 0

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'replicate-part-'))
  client = new OutboundClient({ allowPrivate: true, userAgent: 'flotilla/test' })
})
afterAll(async () => {
  await client[Symbol.asyncDispose]()
  await rm(root, { recursive: true })
})
beforeEach(() => {
  to = join(root, `copy-${++count}`)
  nowMs = Date.now()
})

const run = (options: Partial<ReplicateOptions> = {}) =>
  runReplicate(client, { from: [origin.url], to, ...options }, { now: () => nowMs })

async function blobsHere(): Promise<string[]> {
  const names = await readdir(join(to, 'blobs'), { recursive: true }).catch(() => [])
  return names
    .filter((name) => name.length > 64)
    .map((name) => name.slice(-64))
    .sort()
}

const traceHere = async () => JSON.parse(await readFile(join(to, 'trace/host.example.org'), 'utf8'))

describe('by repository and platform', () => {
  let line: ReleaseLine
  const layer = (name: string) => largeLayer(name)
  const hexOfLayer = (name: string) => digestOf(new TextEncoder().encode(layer(name))).slice(7)
  const amd64 = { os: 'linux', architecture: 'amd64' }
  const arm64 = { os: 'linux', architecture: 'arm64' }

  beforeAll(async () => {
    line = await openReleaseLine(join(root, 'line'))
    const amd = await line.push('fedora/base', { layers: [layer('amd '), layer('both ')], platform: amd64 })
    const arm = await line.push('fedora/base', { layers: [layer('arm '), layer('both ')], platform: arm64 })
    await line.pushIndex('fedora/base', [amd, arm], { tags: ['1'], platforms: [amd64, arm64] })
    await line.push('fedora/base', { layers: [layer('sbom of arm ')], subject: arm, tags: ['sbom'] })
    await line.push('fedora/tool', { layers: [layer('tool ')], tags: ['1'], platform: amd64 })
    await line.push('centos/base', { layers: [layer('centos ')], tags: ['1'], platform: arm64 })
    await line.promote(['fedora/base:1', 'fedora/base:sbom', 'fedora/tool:1', 'centos/base:1'])
    await line.publish()
    origin = startTreeOrigin(line.treeOf('stable'))
  })
  afterAll(async () => {
    await origin.listener.stop(100)
    await line[Symbol.asyncDispose]()
  })

  test.each<[string, Partial<ReplicateOptions>, string[]]>([
    ['everything', {}, ['amd ', 'both ', 'arm ', 'sbom of arm ', 'tool ', 'centos ']],
    ['one repository', { repositories: ['fedora/tool'] }, ['tool ']],
    ['a glob', { repositories: ['fedora/*'] }, ['amd ', 'both ', 'arm ', 'sbom of arm ', 'tool ']],
    ['two globs', { repositories: ['*/tool', 'cent**'] }, ['tool ', 'centos ']],
    ['one platform', { platforms: ['linux/amd64'] }, ['amd ', 'both ', 'tool ']],
    ['another, with what refers to it', { platforms: ['linux/arm64'] }, ['both ', 'arm ', 'sbom of arm ', 'centos ']],
    ['both at once', { platforms: ['linux/arm64'], repositories: ['centos/*'] }, ['centos ']],
  ])('%s', async (_, options, layers) => {
    const result = await run(options)
    expect(await blobsHere()).toEqual(layers.map(hexOfLayer).sort())
    const contents = await readContents(to)
    for (const { path } of filesOf(contents)) await stat(join(to, path))
    const trace = await traceHere()
    if (Object.keys(options).length === 0) expect([result.partial, trace.partial]).toEqual([undefined, undefined])
    else {
      expect(trace.partial).toMatchObject({ blobs: layers.length, bytes: layers.length * 600 })
      expect(trace.partial.selection).toContain((options.repositories ?? options.platforms)![0]!)
    }
    expect(await run(options)).toMatchObject({ outcome: 'unchanged', partial: result.partial })
  })

  test('a filter that leaves nothing is refused, and says which', async () => {
    await run({ graceMs: 0 })
    const held = await blobsHere()
    const table: [Partial<ReplicateOptions>, string][] = [
      [{ repositories: ['fedroa/*'] }, 'no repository is like fedroa/*'],
      [{ platforms: ['linux/s390x'] }, 'no image is of platform linux/s390x'],
      [{ minBytes: 5000 }, 'blobs of at least 5000 bytes'],
      [{ capBytes: 10 }, 'the most pulled up to 10 bytes'],
    ]
    for (const [options, words] of table) {
      const refused = { reason: 'selection', message: expect.stringContaining(words) }
      await expect(run({ ...options, graceMs: 0 })).rejects.toMatchObject(refused)
      expect(await blobsHere()).toEqual(held)
    }
    expect(await run({ graceMs: 0 })).toMatchObject({ outcome: 'unchanged', deleted: 0 })
  })

  test('a copy that becomes a part lets the rest go after the grace, and fetches it again when it is to be whole', async () => {
    await run()
    const part = { repositories: ['fedora/tool'], graceMs: 1000 }
    expect(await run(part)).toMatchObject({ outcome: 'updated', files: 0, deleted: 0 })
    expect(await blobsHere()).toHaveLength(6)
    nowMs += 1000
    expect(await run(part)).toMatchObject({ outcome: 'unchanged', deleted: 5 })
    expect(await blobsHere()).toEqual([hexOfLayer('tool ')])
    expect(await run()).toMatchObject({ outcome: 'updated', files: 5, partial: undefined })
    expect((await traceHere()).partial).toBeUndefined()
  })
})

describe('by size and popularity', () => {
  let tree: PublishedTree
  let digests: Digest[]

  beforeEach(async () => {
    tree = await PublishedTree.make(join(root, `tree-${count}`), join(root, `keys-${count}`))
    digests = []
    for (let n = 1; n <= 8; n++) digests.push(await tree.add(new Uint8Array(n * 1000).fill(n)))
    origin = startTreeOrigin(tree.folder)
  })
  afterEach(() => origin.listener.stop(100))

  /** Scores by the number of the blob. */
  async function publishPopular(number: number, scores: Readonly<Record<number, number>>): Promise<void> {
    const lines = Object.entries(scores)
      .map(([n, score]) => ({ digest: digests[Number(n) - 1]!, sizeBytes: Number(n) * 1000, score }))
      .sort((a, b) => b.score - a.score || (a.digest < b.digest ? -1 : 1))
    const path = popularityPath(number)
    const header = { channel: 'stable', number, count: lines.length, builtAtMs: nowMs }
    const written = await writePopularityList(join(tree.folder, path), header, lines)
    const { channel, generation, lists, packs } = tree
    const popular = { path, number, ...written }
    await tree.writeContents({ channel, generation, createdAtMs: nowMs, lists, packs, popular })
  }
  const namesOf = (numbers: readonly number[]) => numbers.map((n) => digests[n - 1]!.slice(7)).sort()

  test('sizes', async () => {
    await tree.publish()
    expect(await run({ minBytes: 3000, maxBytes: 5000 })).toMatchObject({ partial: { blobs: 3, bytes: 12_000 } })
    expect(await blobsHere()).toEqual(namesOf([3, 4, 5]))
  })

  test('a cap keeps what is pulled most, and follows a new list of what that is without a new generation', async () => {
    await tree.publish()
    await publishPopular(1, { 2: 5000, 5: 4000, 3: 3000 })
    const cap = { capBytes: 12_500, graceMs: 0 }
    expect(await run(cap)).toMatchObject({ outcome: 'updated', partial: { bytes: expect.any(Number) } })
    const first = await blobsHere()
    expect(first).toEqual(expect.arrayContaining(namesOf([2, 5, 3])))
    expect(await run(cap)).toMatchObject({ outcome: 'unchanged' })

    await publishPopular(2, { 8: 9000, 2: 10 })
    expect(await run(cap)).toMatchObject({ outcome: 'updated', generation: 1 })
    const second = await blobsHere()
    expect(second).toEqual(expect.arrayContaining(namesOf([8, 2])))
    expect(second).not.toEqual(expect.arrayContaining(namesOf([5])))
    const sizes = await Promise.all(second.map((hex) => stat(join(to, blobPath(makeDigest('sha256', hex))))))
    expect(sizes.reduce((sum, { size }) => sum + size, 0)).toBeLessThanOrEqual(12_500)
  })
})
