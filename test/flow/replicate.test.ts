import { afterEach, beforeEach, describe, expect, test } from 'bun:test'
import { cp, mkdir, mkdtemp, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { OutboundClient } from '#http/outbound/outbound-client.ts'
import { lockFolder } from '#kit/folder-lock.ts'
import { blobPath, hexOf } from '#oci/digest.ts'
import { firstRootPath, timestampPath } from '#snapshots/tree-contents.ts'
import type { Progress } from '#stages/replicate/progress-meter.ts'
import type { ReplicateOptions, ReplicateTools } from '#stages/replicate/replicate-options.ts'
import { digestOf, PublishedTree } from '../kit/published-tree.ts'
import { runReplicate } from '../kit/run-replicate.ts'
import { startTreeOrigin, type TreeOrigin } from '../kit/tree-origin.ts'
import { openTestTrust } from '../kit/trust.ts'

let root: string
let client: OutboundClient
let tree: PublishedTree
let origin: TreeOrigin
let to: string
let nowMs: number

const bytesOf = (n: number, length = 70_000 + n * 10) => Uint8Array.from({ length }, (_, i) => (i * (n + 3) + n) % 251)

beforeEach(async () => {
  client = new OutboundClient({ allowPrivate: true, userAgent: 'flotilla/test' })
  root = await mkdtemp(join(tmpdir(), 'replicate-'))
  to = join(root, 'copy')
  nowMs = Date.parse('2026-11-24T12:00:00Z')
  tree = await PublishedTree.make(join(root, 'tree'), join(root, 'keys'))
  for (let n = 1; n <= 5; n++) await tree.add(bytesOf(n))
  await tree.publish()
  origin = startTreeOrigin(tree.folder)
})
afterEach(async () => {
  await client[Symbol.asyncDispose]()
  await origin.listener.stop(100)
  await rm(root, { recursive: true })
})

function run(options: Partial<ReplicateOptions> = {}, tools: Partial<ReplicateTools> = {}) {
  origin.forget()
  return runReplicate(client, { from: [origin.url], to, ...options }, { now: () => nowMs, ...tools })
}

/** What every poll asks for. */
const poll = ['GET /metadata/2.root.json', 'GET /metadata/timestamp.json']

/** As the publisher does before a timestamp expires. */
async function resign(): Promise<void> {
  const trust = await openTestTrust(join(root, 'keys'), () => Date.now() + 2 * 86_400_000)
  const read = (name: string) => readFile(join(tree.folder, 'metadata', name)).catch(() => undefined)
  for (const { name, bytes } of (await trust.tree.resign(read))!)
    await writeFile(join(tree.folder, 'metadata', name), bytes)
}

/** Path -> content of everything that is not hidden. */
async function contentOf(folder: string): Promise<Map<string, string>> {
  const content = new Map<string, string>()
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name).slice(folder.length + 1)
    if (!entry.isFile() || path.startsWith('.replicate/')) continue
    content.set(path, (await readFile(join(folder, path))).toString('latin1'))
  }
  return content
}

async function expectWholeCopy(): Promise<void> {
  const copy = await contentOf(to)
  const trace = JSON.parse(copy.get('trace/host.example.org')!)
  expect(trace).toMatchObject({ generation: tree.generation, channel: 'stable' })
  copy.delete('trace/host.example.org')
  const original = await contentOf(tree.folder)
  expect([...copy.keys()].sort()).toEqual([...original.keys()].sort())
  expect(copy).toEqual(original)
}

describe('a first run', () => {
  test('copies everything, readable by any web server, and tells how far it is', async () => {
    const seen: Progress[] = []
    const oldMask = process.umask(0o077)
    const result = await run({}, { onProgress: (progress) => seen.push(progress) }).finally(() =>
      process.umask(oldMask),
    )
    const all = { outcome: 'updated', generation: 1, channel: 'stable', files: 7, damaged: 0, deleted: 0 } as const
    expect(result).toMatchObject(all)
    await expectWholeCopy()
    const modeOf = async (path: string) => (await stat(join(to, path))).mode & 0o777
    for (const path of (await contentOf(to)).keys()) expect(await modeOf(path), path).toBe(0o644)
    for (const path of ['', 'blobs', 'blobs/sha256', 'lists', 'catalogue', 'metadata', 'trace']) {
      expect(await modeOf(path), path).toBe(0o755)
    }
    expect(await modeOf('.replicate')).toBe(0o700)
    const last = seen.at(-1)!
    expect(last).toMatchObject({ phase: 'done', files: 7, totalFiles: 7, bytes: last.totalBytes })
    expect(result.bytes).toBe(last.bytes)
  })

  test('asks for the metadata before all else and writes them after all else', async () => {
    let refused = 0
    const refusal = { status: 403, headers: {} }
    origin.interfere = (ask) => (ask.path.startsWith('/blobs/') && refused++ === 0 ? refusal : undefined)
    await expect(run()).rejects.toThrow('status 403')
    const metadata = ['1.root.json', '2.root.json', 'timestamp.json', '1.snapshot.json', '1.targets.json']
    expect(origin.asked.slice(0, 5).toSorted()).toEqual(metadata.map((name) => `GET /metadata/${name}`).toSorted())
    const copy = await contentOf(to)
    expect([...copy.keys()].filter((path) => path.startsWith('blobs/'))).toHaveLength(4)
    expect([...copy.keys()].some((path) => /^(metadata|trace)/.test(path))).toBe(false)
  })

  test('takes over a tree that came another way without fetching its blobs', async () => {
    await cp(tree.folder, to, { recursive: true })
    const result = await run()
    expect(result).toMatchObject({ outcome: 'updated', files: 0, bytes: 0 })
    expect(origin.asked.filter((one) => !one.includes('/metadata/'))).toEqual([])
    await expectWholeCopy()
  })
})

describe('a later run', () => {
  beforeEach(async () => {
    await run()
  })

  test('without change is two small answers', async () => {
    expect(await run()).toMatchObject({ outcome: 'unchanged', generation: 1, files: 0 })
    expect([origin.asked, origin.statuses.toSorted()]).toEqual([poll, [304, 404]])
  })

  test('without change through another address is two answers too', async () => {
    const from = [origin.url.replace('127.0.0.1', 'localhost')]
    expect(await run({ from })).toMatchObject({ outcome: 'unchanged' })
    expect([origin.asked, origin.statuses.toSorted()]).toEqual([poll, [200, 404]])
  })

  test('fetches only what is new, the delta included', async () => {
    const digest = await tree.add(bytesOf(6))
    await tree.publish()
    expect(await run()).toMatchObject({ outcome: 'updated', generation: 2, files: 3 })
    const metadata = ['2.snapshot.json', '2.targets.json'].map((name) => `metadata/${name}`)
    const expected = ['catalogue/2.pack', 'lists/1-2.gz', ...metadata, blobPath(digest)].map((path) => `GET /${path}`)
    expect(origin.asked.toSorted()).toEqual([...poll, ...expected].toSorted())
    expect(await run()).toMatchObject({ outcome: 'unchanged' })
  })

  test('that missed some generations goes by the chain of deltas', async () => {
    const digests = []
    for (let n = 6; n < 10; n++) {
      digests.push(await tree.add(bytesOf(n)))
      if (n === 8) tree.remove(digests[0]!)
      await tree.publish({ isCheckpoint: n === 7 })
    }
    await tree.eraseBlob(digests[0]!)
    expect(await run()).toMatchObject({ generation: 5 })
    const blobs = origin.asked.filter((one) => one.includes('/blobs/'))
    const expected = digests.slice(1).map((digest) => `GET /${blobPath(digest)}`)
    expect(blobs.sort()).toEqual(expected.sort())
  })

  test('deletes what left, but only after the grace, and not what came back', async () => {
    const [leaving, returning] = [digestOf(bytesOf(1)), digestOf(bytesOf(2))]
    tree.remove(leaving)
    tree.remove(returning)
    await tree.publish()
    const graceMs = 60_000
    expect(await run({ graceMs })).toMatchObject({ deleted: 0 })
    const has = async (digest: typeof leaving) => (await contentOf(to)).has(blobPath(digest))
    expect([await has(leaving), await has(returning)]).toEqual([true, true])
    await tree.add(bytesOf(2))
    await tree.publish()
    nowMs += graceMs - 1
    expect(await run({ graceMs })).toMatchObject({ deleted: 0, files: 2 })
    nowMs += 1
    expect(await run({ graceMs })).toMatchObject({ outcome: 'unchanged', deleted: 1 })
    expect([await has(leaving), await has(returning)]).toEqual([false, true])
    expect(await run({ graceMs })).toMatchObject({ deleted: 0 })
  })

  test('deletes lists, packs and metadata that nothing names any more after the grace', async () => {
    await tree.publish({ isCheckpoint: true })
    tree.lists = tree.lists.filter((list) => list.path === 'lists/2.gz')
    await tree.publish()
    await run({ graceMs: 1000 })
    expect([...(await contentOf(to)).keys()]).toContain('lists/1.gz')
    nowMs += 1000
    await run({ graceMs: 1000 })
    const left = [...(await contentOf(to)).keys()].filter((path) => /^(lists|catalogue|metadata)/.test(path))
    const metadata = ['1.root.json', '3.snapshot.json', '3.targets.json', 'timestamp.json']
    const expected = ['catalogue/3.pack', 'lists/2-3.gz', 'lists/2.gz', ...metadata.map((name) => `metadata/${name}`)]
    expect(left.toSorted()).toEqual(expected)
  })

  test('never goes back, not even after it was interrupted', async () => {
    const old = await readFile(join(tree.folder, timestampPath))
    await tree.add(bytesOf(6))
    await tree.publish()
    origin.interfere = (ask) => (ask.path.startsWith('/blobs/') ? { status: 404, headers: {} } : undefined)
    await expect(run()).rejects.toThrow('status 404')
    origin.interfere = () => undefined
    const newer = await readFile(join(tree.folder, timestampPath))
    await writeFile(join(tree.folder, timestampPath), old)
    await expect(run()).rejects.toMatchObject({ reason: 'backwards' })
    await writeFile(join(tree.folder, timestampPath), newer)
    await run()
    expect((await contentOf(to)).has(blobPath(digestOf(bytesOf(6))))).toBe(true)
  })

  test('refuses keys of another publisher, and keeps what it has', async () => {
    const other = await PublishedTree.make(join(root, 'other'), join(root, 'other-keys'))
    await other.publish()
    await other.publish()
    await cp(join(other.folder, 'metadata'), join(tree.folder, 'metadata'), { recursive: true })
    const before = await contentOf(to)
    await expect(run()).rejects.toMatchObject({ reason: 'untrusted' })
    expect(await contentOf(to)).toEqual(before)
    const root1 = await readFile(join(other.folder, firstRootPath))
    await expect(run({ root: root1 })).rejects.toThrow('the folder trusts root sha256:')
  })

  test('refuses another channel in the same folder', async () => {
    const other = await PublishedTree.make(join(root, 'other'), join(root, 'keys'), 'testing')
    await other.publish()
    await cp(join(other.folder, 'metadata'), join(tree.folder, 'metadata'), { recursive: true })
    await expect(run()).rejects.toMatchObject({
      reason: 'folder',
      message: expect.stringMatching(/of channel "?testing"?, here is stable/),
    })
  })

  test('refuses a timestamp that was not signed anew in time, and goes on once it is', async () => {
    const before = await contentOf(to)
    nowMs += 4 * 86_400_000
    await expect(run()).rejects.toMatchObject({ reason: 'expired' })
    expect(await contentOf(to)).toEqual(before)
  })

  test('takes over a timestamp that was only signed again, without a look at the blobs', async () => {
    await resign()
    expect(await run()).toMatchObject({ outcome: 'refreshed', generation: 1, files: 0 })
    expect(origin.asked.toSorted()).toEqual(poll)
    await expectWholeCopy()
    expect(await run()).toMatchObject({ outcome: 'unchanged' })
  })

  test('says that the clock here is behind instead of taking what it cannot judge', async () => {
    nowMs -= 365 * 86_400_000
    await expect(run()).rejects.toMatchObject({
      reason: 'expired',
      message: expect.stringContaining('the clock of this machine seems to be behind: it says 20'),
    })
  })

  test('with a damaged state says what to remove', async () => {
    await writeFile(join(to, '.replicate/state.json'), '{"format":1}')
    await expect(run()).rejects.toMatchObject({ reason: 'folder' })
  })

  test('that lost its memory looks at the files instead of fetching them', async () => {
    await rm(join(to, '.replicate'), { recursive: true })
    await truncate(join(to, blobPath(digestOf(bytesOf(3)))), 5)
    expect(await run()).toMatchObject({ outcome: 'updated', files: 1, damaged: 1 })
    await expectWholeCopy()
  })
})

/** All of it, as fast as it goes. */
const check = { bytesPerSecond: 0, limitMs: 0 }

describe('--check', () => {
  test('finds rotten, short and missing files, and repairs them', async () => {
    await run()
    const at = (n: number) => join(to, blobPath(digestOf(bytesOf(n))))
    const rotten = Buffer.from(bytesOf(1))
    rotten[40_000]! ^= 1
    await writeFile(at(1), rotten)
    await truncate(at(2), 10)
    await rm(at(3))
    await rm(at(4))
    await mkdir(at(4))
    const list = join(to, 'lists/1.gz')
    await writeFile(list, 'x'.repeat((await stat(list)).size))
    expect(await run({ check })).toMatchObject({ outcome: 'unchanged', damaged: 5, files: 5 })
    await expectWholeCopy()
    expect(await run({ check })).toMatchObject({ damaged: 0, files: 0 })
  })

  test('goes on where its time ended, round and round, and repairs although the source has no news', async () => {
    await run()
    const limited = { bytesPerSecond: 0, limitMs: 1 }
    // Each look at the clock takes longer than the check may: one blob a run.
    const slowly = () => {
      nowMs += 1
      return nowMs
    }
    const cursors: string[] = []
    for (let n = 0; n < 6; n++) {
      await run({ check: limited }, { now: slowly })
      cursors.push(JSON.parse(await readFile(join(to, '.replicate/check.json'), 'utf8')).after)
    }
    const digests = [...tree.blobs.keys()].sort()
    expect(cursors.slice(0, 5)).toEqual(digests)
    const [first, last] = [digests[0]!, digests.at(-1)!]
    for (const digest of [first, last]) await writeFile(join(to, blobPath(digest)), 'rotten')
    const found = []
    for (let n = 0; n < 7; n++) found.push((await run({ check: limited }, { now: slowly })).damaged)
    expect(found.filter((damaged) => damaged > 0)).toEqual([1, 1])
    await expectWholeCopy()
    expect(await readdir(join(to, '.replicate'))).not.toContain('damaged')
  })

  test('what cannot be replaced makes the copy incomplete until it can', async () => {
    await run()
    await truncate(join(to, blobPath(digestOf(bytesOf(2)))), 10)
    origin.interfere = (ask) => (ask.path.startsWith('/blobs/') ? { status: 404, headers: {} } : undefined)
    await expect(run({ check })).rejects.toThrow('status 404')
    expect(JSON.parse(await readFile(join(to, '.replicate/state.json'), 'utf8'))).toMatchObject({ complete: 0 })
    origin.interfere = () => undefined
    expect(await run()).toMatchObject({ outcome: 'updated', files: 1 })
    await expectWholeCopy()
  })

  test('sees what left although it trusts no list of before', async () => {
    await run()
    tree.remove(digestOf(bytesOf(1)))
    await tree.publish()
    expect(await run({ check, graceMs: 0 })).toMatchObject({ deleted: 1, strays: 0 })
  })

  test('that is interrupted is not taken for a complete copy by the next run', async () => {
    await run()
    await truncate(join(to, blobPath(digestOf(bytesOf(2)))), 10)
    origin.interfere = (ask) => (ask.path.startsWith('/blobs/') ? { status: 404, headers: {} } : undefined)
    await expect(run({ check })).rejects.toThrow('status 404')
    origin.interfere = () => undefined
    expect(await run()).toMatchObject({ outcome: 'updated', files: 1 })
    await expectWholeCopy()
  })
})

describe('blobs that no list ever named', () => {
  const stray = () => join(to, blobPath(digestOf(bytesOf(99))))
  beforeEach(async () => {
    await mkdir(join(stray(), '..'), { recursive: true })
    await writeFile(stray(), bytesOf(99))
  })

  test('are left alone: the folder may be the store of a registry', async () => {
    expect(await run({ graceMs: 0 })).toMatchObject({ strays: 1, deleted: 0 })
    expect(await run({ graceMs: 0, check })).toMatchObject({ damaged: 0, deleted: 0 })
    await stat(stray())
  })

  test('go with --prune, after the grace', async () => {
    expect(await run({ isPrune: true })).toMatchObject({ strays: 0, deleted: 0 })
    expect(await run({ graceMs: 0 })).toMatchObject({ outcome: 'unchanged', deleted: 1 })
    await expectWholeCopy()
  })
})

describe('interruptions', () => {
  const digest = digestOf(bytesOf(1))
  const putPart = async (bytes: Uint8Array) => {
    await mkdir(join(to, '.replicate/parts'), { recursive: true })
    await writeFile(join(to, '.replicate/parts', `sha256-${hexOf(digest)}`), bytes)
  }
  const askedFor = () => origin.asked.filter((one) => one.includes(hexOf(digest)))

  test('a part is gone on with from where it ended', async () => {
    await putPart(bytesOf(1).slice(0, 50_000))
    await run()
    expect(askedFor()).toEqual([`GET /${blobPath(digest)} bytes=50000-`])
    await expectWholeCopy()
    expect(await readdir(join(to, '.replicate/parts'))).toEqual([])
  })

  test('a whole part is only put in place', async () => {
    await putPart(bytesOf(1))
    await run()
    expect(askedFor()).toEqual([])
    await expectWholeCopy()
  })

  test.each<[string, Uint8Array, string[]]>([
    ['wrong bytes', new Uint8Array(50_000), [` bytes=50000-`, '']],
    ['too many bytes', new Uint8Array(500_000), ['']],
    ['as many but wrong bytes', new Uint8Array(70_010), ['']],
  ])('a part of %s is thrown away', async (_, bytes, ranges) => {
    await putPart(bytes)
    await run()
    expect(askedFor()).toEqual(ranges.map((range) => `GET /${blobPath(digest)}${range}`))
    await expectWholeCopy()
  })

  test('a server that knows no ranges sends the whole again', async () => {
    await putPart(bytesOf(1).slice(0, 50_000))
    const whole = { status: 200, headers: {}, body: bytesOf(1) }
    origin.interfere = (ask) => (ask.path.includes(hexOf(digest)) ? whole : undefined)
    await run()
    await expectWholeCopy()
  })

  test('a busy server is asked again, a few times', async () => {
    let busy = 2
    const refusal = { status: 503, headers: {} }
    origin.interfere = (ask) => (ask.path.includes(hexOf(digest)) && busy-- > 0 ? refusal : undefined)
    await run()
    expect(askedFor()).toHaveLength(3)
    await expectWholeCopy()
  })

  test('one file that cannot be had does not keep the others from coming', async () => {
    origin.interfere = (ask) => (ask.path.includes(hexOf(digest)) ? { status: 503, headers: {} } : undefined)
    await expect(run()).rejects.toThrow('given up after 3 attempts')
    expect([...(await contentOf(to)).keys()].filter((path) => path.startsWith('blobs/'))).toHaveLength(4)
  })

  test('a stop leaves what the next run goes on from', async () => {
    const stopping = new AbortController()
    origin.interfere = (ask) => {
      if (ask.path.startsWith('/blobs/')) stopping.abort()
      return undefined
    }
    await expect(run({}, { stop: stopping.signal })).rejects.toMatchObject({ reason: 'stopped' })
    expect((await contentOf(to)).has(timestampPath)).toBe(false)
    origin.interfere = () => undefined
    await run()
    await expectWholeCopy()
  })

  test('no room: nothing is begun, and the floor is left free', async () => {
    const freeBytes = async () => 400_000
    await expect(run({ minFreeBytes: 100_000 }, { freeBytes })).rejects.toMatchObject({ reason: 'disk' })
    expect(origin.asked.filter((one) => one.includes('/blobs/'))).toEqual([])
    await run({ minFreeBytes: 10_000 }, { freeBytes })
  })

  test('two runs at once: the second is refused', async () => {
    await run()
    await using _ = await lockFolder(join(to, '.replicate'))
    await expect(run()).rejects.toMatchObject({ reason: 'busy' })
  })

  test('a target that is no folder is an error', async () => {
    await writeFile(to, 'a file')
    await expect(run()).rejects.toThrow('ENOTDIR')
  })
})
