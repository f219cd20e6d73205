// Runs that are cut off at a bad moment, and what the next one makes of that: a trace never says more than the copy holds.

import { afterEach, beforeEach, describe, expect, test } from 'bun:test'
import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { OutboundClient } from '#http/outbound/outbound-client.ts'
import { blobPath, type Digest } from '#oci/digest.ts'
import type { ReplicateOptions, ReplicateTools } from '#stages/replicate/replicate-options.ts'
import { PublishedTree } from '../kit/published-tree.ts'
import { lackedBlobs } from '../kit/rsync-script.ts'
import { runReplicate } from '../kit/run-replicate.ts'
import { startTreeOrigin, type TreeOrigin } from '../kit/tree-origin.ts'

const bytesOf = (n: number) => Uint8Array.from({ length: 70_000 + n }, (_, i) => (i * (n + 3) + n) % 251)
const dayMs = 24 * 3_600_000
/** Leaves all blobs below 70,003 bytes out. */
const part = { minBytes: 70_003 }

let root: string
let to: string
let tree: PublishedTree
let digests: Digest[]
let client: OutboundClient
let origin: TreeOrigin
let nowMs: number

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'replicate-cut-off-'))
  to = join(root, 'copy')
  client = new OutboundClient({ allowPrivate: true, userAgent: 'flotilla/test' })
  tree = await PublishedTree.make(join(root, 'tree'), join(root, 'keys'))
  digests = []
  for (let n = 1; n <= 4; n++) digests.push(await tree.add(bytesOf(n)))
  await tree.publish()
  origin = startTreeOrigin(tree.folder)
  nowMs = Date.now()
})
afterEach(async () => {
  await origin.listener.stop(100)
  await client[Symbol.asyncDispose]()
  await rm(root, { recursive: true })
})

const run = (options: Partial<ReplicateOptions> = {}, tools: Partial<ReplicateTools> = {}) =>
  runReplicate(client, { from: [origin.url], to, graceMs: dayMs, ...options }, { now: () => nowMs, ...tools })

const trace = async () => JSON.parse(await readFile(join(to, 'trace/host.example.org'), 'utf8'))

/** The run ends where it writes this file: nothing can be renamed to a folder. What lay there before is there again afterwards. */
async function cutAt(path: string, options: Partial<ReplicateOptions> = {}): Promise<void> {
  const [place, aside] = [join(to, path), join(root, 'aside')]
  const wasThere = await rename(place, aside).then(
    () => true,
    () => false,
  )
  await mkdir(place)
  await expect(run(options)).rejects.toMatchObject({ code: 'EISDIR' })
  await rm(place, { recursive: true })
  if (wasThere) await rename(aside, place)
}

describe('a whole copy, cut off while it was to become a part', () => {
  test('stays whole when it is asked to be so again', async () => {
    await run()
    await cutAt('metadata/1.targets.json', part)
    expect(await run()).toMatchObject({ generation: 1, partial: undefined })
    nowMs += 2 * dayMs
    expect(await run()).toMatchObject({ deleted: 0 })
    expect(await lackedBlobs(to, digests)).toEqual([])
  })

  test('is whole at the next generation too', async () => {
    await run()
    await cutAt('metadata/1.targets.json', part)
    digests.push(await tree.add(bytesOf(9)))
    await tree.publish()
    expect(await run()).toMatchObject({ generation: 2, partial: undefined })
    nowMs += 2 * dayMs
    await run()
    expect((await trace()).partial).toBeUndefined()
    expect(await lackedBlobs(to, digests)).toEqual([])
  })

  test('just before its trace says so, is not called whole afterwards', async () => {
    await run()
    await cutAt('trace/host.example.org', part)
    expect((await trace()).partial).toBeUndefined()
    nowMs += 2 * dayMs
    await run(part)
    expect((await trace()).partial).toMatchObject({ blobs: 2 })
  })
})

describe('a copy cut off just before it shows another generation', () => {
  test('gives nothing of the shown one away for room, however much time has passed', async () => {
    await run()
    tree.remove(digests[0]!)
    await tree.publish()
    await cutAt('metadata/2.targets.json')
    nowMs += 2 * dayMs
    await tree.add(bytesOf(9))
    await tree.publish()
    await expect(run({}, { freeBytes: async () => 10_000 })).rejects.toMatchObject({ reason: 'disk' })
    expect((await trace()).generation).toBe(1)
    expect(await lackedBlobs(to, digests)).toEqual([])
  })
})

describe('a blob that has rotted and cannot be had again', () => {
  test('is not in the trace: there is none until it is here', async () => {
    await run()
    const path = blobPath(digests[0]!)
    await writeFile(join(to, path), 'rotten')
    origin.interfere = (ask) => (ask.path === `/${path}` ? { status: 404, headers: {} } : undefined)
    const check = { bytesPerSecond: 0, limitMs: 0 }
    await expect(run({ check })).rejects.toMatchObject({ reason: 'source' })
    await expect(trace()).rejects.toMatchObject({ code: 'ENOENT' })
    await expect(run()).rejects.toMatchObject({ reason: 'source' })
    await expect(trace()).rejects.toMatchObject({ code: 'ENOENT' })
    origin.interfere = () => undefined
    expect(await run()).toMatchObject({ files: 1 })
    expect(await trace()).toMatchObject({ generation: 1 })
    expect(await lackedBlobs(to, digests)).toEqual([])
  })
})
