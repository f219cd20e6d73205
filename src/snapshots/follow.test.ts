// Followers over real folders: news, refusals, faults, and starts with the source gone.
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'bun:test'
import { createHash } from 'node:crypto'
import { mkdir, mkdtemp, readdir, readFile, rename, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Digest, makeDigest } from '#oci/digest.ts'
import { mediaTypes } from '#oci/media-type.ts'
import type { RepositoryName, Tag } from '#oci/name.ts'
import { type PackRepository, writePack } from './catalogue-pack.ts'
import { followDocument, parseDocument } from './follow-document.ts'
import { type FollowedPublication, PublicationFollower } from './follow-publication.ts'
import { type FollowerOptions, nextDelayMs, startFollower } from './follower.ts'
import { SnapshotHolder, SnapshotRefused } from './holder.ts'
import { PackRefused } from './pack-record.ts'
import { encodePointer, PointerRefused, pointerPath, sealPointer, type TreeFile } from './pointer.ts'
import { folderSource } from './snapshot-source.ts'

let root: string
let tree: string
let store: string
const logged: unknown[] = []
const log = (error: unknown) => void logged.push(error)
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'follow-'))
})
afterAll(() => rm(root, { recursive: true, force: true }))
let count = 0
beforeEach(async () => {
  logged.length = 0
  tree = join(root, `${count}-tree`)
  store = join(root, `${count++}-store`)
  await mkdir(join(tree, 'catalogue'), { recursive: true })
  await mkdir(join(tree, 'metadata'))
})

const digestOf = (bytes: Uint8Array | string) => makeDigest('sha256', createHash('sha256').update(bytes).digest('hex'))
const contentOf = (generation: number) => `{"generation":${generation}}`
const list: TreeFile = { path: 'lists/1.gz', from: 0, to: 1, sizeBytes: 1, digest: digestOf('x') }

function repository(from: number, to: number): PackRepository {
  const content = contentOf(to)
  return {
    name: 'a' as RepositoryName,
    tagsSet: [['latest' as Tag, digestOf(content)]],
    manifestsAdded: [{ digest: digestOf(content), mediaType: mediaTypes.ociManifest, sizeBytes: content.length }],
    manifestsRemoved: from > 0 ? [digestOf(contentOf(from))] : [],
  }
}

async function makePack(from: number, to: number, others: readonly PackRepository[] = []): Promise<TreeFile> {
  const path = `catalogue/${from === 0 ? to : `${from}-${to}`}.pack`
  const header = { channel: 'stable', from, to, createdAtMs: 0, smallBlobBytes: 10 }
  const written = await writePack(join(tree, path), header, [repository(from, to), ...others], async function* () {
    yield new TextEncoder().encode(contentOf(to))
  })
  return { path, from, to, sizeBytes: written.sizeBytes, digest: written.digest }
}

async function point(
  generation: number,
  packs: TreeFile[],
  more: { channel?: string; sig?: string } = {},
): Promise<void> {
  const lists = [{ ...list, path: `lists/${generation}.gz`, to: generation }]
  const pointer = {
    format: 1,
    channel: more.channel ?? 'stable',
    generation,
    createdAtMs: 0,
    expiresAtMs: undefined,
    lists,
    packs,
  } as const
  const signed = encodePointer(pointer)
  const bytes = sealPointer(signed, [{ keyid: 'k', sig: more.sig ?? digestOf(signed) }])
  await writeFile(join(tree, 'metadata/new'), bytes)
  await rename(join(tree, 'metadata/new'), join(tree, pointerPath))
}

const about = (more: Partial<FollowedPublication> = {}): FollowedPublication => ({
  holder: new SnapshotHolder('stable'),
  source: folderSource(tree),
  folder: store,
  findSigner: (bytes, signatures) => signatures.find(({ sig }) => sig === digestOf(bytes))?.keyid,
  log,
  maxPacks: 4,
  ...more,
})
const latestOf = (holder: SnapshotHolder): Digest | undefined =>
  holder.current.publication?.publication.repositories.get('a')?.tags.get('latest')
const packsIn = async () => (await readdir(join(store, 'catalogue'))).sort()

describe('a publication', () => {
  test('is followed by deltas, begun anew when the chain grows long, and there again without the source', async () => {
    const packs = [await makePack(0, 1)]
    await point(1, packs)
    const followed = about()
    const { holder } = followed
    const follower = await PublicationFollower.open(followed)
    expect(latestOf(holder)).toBeUndefined()
    await follower.step()
    expect(latestOf(holder)).toBe(digestOf(contentOf(1)))

    for (const to of [2, 3, 4]) packs.push(await makePack(to - 1, to))
    await point(4, packs)
    await follower.step()
    expect(latestOf(holder)).toBe(digestOf(contentOf(4)))
    expect(await packsIn()).toEqual(['1-2.pack', '1.pack', '2-3.pack', '3-4.pack'])
    const { bytes } = holder.current.publication!.publication.repositories.get('a')!.manifests.get(latestOf(holder)!)!
    const served = (await readFile(bytes.pack)).subarray(bytes.offset, bytes.offset + bytes.sizeBytes)
    expect(served.toString()).toBe(contentOf(4))

    packs.push(await makePack(4, 5), await makePack(0, 5))
    await point(5, packs)
    await follower.step()
    expect(latestOf(holder)).toBe(digestOf(contentOf(5)))
    // The packs before are kept for the requests that began before; with the next change they go.
    expect(await packsIn()).toContain('3-4.pack')
    packs.push(await makePack(5, 6))
    await point(6, packs)
    await follower.step()
    expect(await packsIn()).toEqual(['5-6.pack', '5.pack'])

    await rm(tree, { recursive: true })
    const again = about()
    const restarted = await PublicationFollower.open(again)
    expect(latestOf(again.holder)).toBe(digestOf(contentOf(6)))
    await restarted.step()
    expect(logged).toEqual([])
  })

  test('is not read again while the pointer stays', async () => {
    await point(1, [await makePack(0, 1)])
    let reads = 0
    const source = folderSource(tree)
    const counted = {
      ...source,
      read(...asked: Parameters<typeof source.read>) {
        reads++
        return source.read(...asked)
      },
    }
    const follower = await PublicationFollower.open(about({ source: counted, folder: store }))
    await follower.step()
    await rm(join(tree, 'catalogue'), { recursive: true })
    await follower.step()
    expect(reads).toBe(2)
  })

  test('falls back to a whole pack when a delta does not fit', async () => {
    const one = await makePack(0, 1)
    await point(1, [one])
    const followed = about()
    const follower = await PublicationFollower.open(followed)
    await follower.step()
    // Enough of them that the delta is the cheaper way.
    const others = Array.from({ length: 9 }, (_, i) => ({ name: `b${i}` as RepositoryName }))
    const wrong = await makePack(2, 3)
    await rename(join(tree, wrong.path), join(tree, 'catalogue/1-3.pack'))
    await point(3, [one, { ...wrong, path: 'catalogue/1-3.pack', from: 1 }, await makePack(0, 3, others)])
    await follower.step()
    expect(latestOf(followed.holder)).toBe(digestOf(contentOf(3)))
    expect(logged[0]).toBeInstanceOf(PackRefused)
  })

  const cases: [string, (one: TreeFile) => Promise<void>, new (...asked: never[]) => Error][] = [
    ['of a lower generation', (one) => point(1, [one]), SnapshotRefused],
    [
      'of another channel',
      async (one) => point(9, [one, await makePack(1, 9)], { channel: 'testing' }),
      SnapshotRefused,
    ],
    [
      'without a signature we know',
      async (one) => point(3, [one, await makePack(1, 3)], { sig: 'forged' }),
      PointerRefused,
    ],
    ['that is no pointer', () => writeFile(join(tree, pointerPath), '{}'), PointerRefused],
    [
      'whose pack has other bytes',
      async (one) => {
        const pack = await makePack(2, 3)
        await truncate(join(tree, pack.path), pack.sizeBytes - 1)
        await point(3, [one, await makePack(1, 2), pack])
      },
      PackRefused,
    ],
    [
      'whose pack is missing',
      async (one) => {
        const pack = await makePack(2, 3)
        await rm(join(tree, pack.path))
        await point(3, [one, await makePack(1, 2), pack])
      },
      Error,
    ],
  ]
  test.each(cases)('%s is refused, the old one stays, and a good one is taken after it', async (_, spoil, refusal) => {
    const one = await makePack(0, 1)
    const delta = await makePack(1, 2)
    await point(2, [one, delta])
    const followed = about()
    const follower = await PublicationFollower.open(followed)
    await follower.step()
    const before = followed.holder.current
    await spoil(one)
    await expect(follower.step()).rejects.toThrow(refusal)
    expect(followed.holder.current).toBe(before)
    expect((await packsIn()).filter((name) => name.startsWith('.'))).toEqual([])
    await point(3, [one, delta, await makePack(2, 3)])
    await follower.step()
    expect(latestOf(followed.holder)).toBe(digestOf(contentOf(3)))
  })

  test('starts from nothing when its folder is damaged, and says so', async () => {
    await point(1, [await makePack(0, 1)])
    await (await PublicationFollower.open(about())).step()
    const pack = join(store, 'catalogue/1.pack')
    // A file of its own: the tree's is the same one by a link.
    const bytes = await readFile(pack)
    await rm(pack)
    bytes[bytes.length - 1]! ^= 1
    await writeFile(pack, bytes)
    const again = about()
    const follower = await PublicationFollower.open(again)
    expect(latestOf(again.holder)).toBeUndefined()
    expect(logged.length).toBe(1)
    await follower.step()
    expect(latestOf(again.holder)).toBe(digestOf(contentOf(1)))
  })
})

describe('a document', () => {
  const health = (version: number) => JSON.stringify({ format: 1, version, builtAtMs: version, hosts: [] })
  const follow = (holder: SnapshotHolder) =>
    followDocument({
      source: folderSource(tree),
      path: 'health.json',
      copy: join(root, `${count}-health.json`),
      take: (bytes) => holder.takeHealth(parseDocument(bytes)),
      log,
    })

  test('is taken when it is new, refused when it is bad, and there again without the source', async () => {
    const holder = new SnapshotHolder('stable')
    const step = await follow(holder)
    await step()
    const put = async (text: string) => {
      await writeFile(join(tree, 'new'), text)
      await rename(join(tree, 'new'), join(tree, 'health.json'))
    }
    await put(health(3))
    await step()
    expect(holder.current.fleet.health.version).toBe(3)
    for (const bad of ['', '{', 'null', '[]', health(2), '{"format":9,"version":9,"builtAtMs":9}']) {
      await put(bad)
      await expect(step()).rejects.toThrow()
      await step()
      expect(holder.current.fleet.health.version).toBe(3)
    }
    await rm(tree, { recursive: true })
    const again = new SnapshotHolder('stable')
    await (await follow(again))()
    expect(again.current.fleet.health.version).toBe(3)
    expect(logged).toEqual([])
  })

  test('whose copy is damaged is asked for again', async () => {
    await writeFile(join(root, `${count}-health.json`), '{')
    await writeFile(join(tree, 'health.json'), health(1))
    const holder = new SnapshotHolder('stable')
    const step = await follow(holder)
    expect(logged.length).toBe(1)
    await step()
    expect(holder.current.fleet.health.version).toBe(1)
  })
})

describe('a follower', () => {
  const options = (more: Partial<FollowerOptions> = {}) => ({
    intervalMs: 1,
    maxBackoffMs: 1000,
    random: () => 0.5,
    log,
    ...more,
  })

  test('goes on by itself, through failures, until it is stopped', async () => {
    let runs = 0
    let reached = () => {}
    const tenth = new Promise<void>((resolve) => {
      reached = resolve
    })
    const follower = startFollower(async () => {
      runs++
      if (runs === 10) reached()
      if (runs % 2) throw new Error('a fault')
    }, options())
    await tenth
    await follower.stop()
    const after = runs
    await follower.runNow()
    expect(runs).toBe(after)
    expect(logged.length).toBeGreaterThanOrEqual(5)
  })

  test('runs one at a time', async () => {
    let now = 0
    let most = 0
    const follower = startFollower(
      async () => {
        most = Math.max(most, ++now)
        await stat(root)
        now--
      },
      options({ intervalMs: 60_000 }),
    )
    await Promise.all([follower.runNow(), follower.runNow(), follower.runNow()])
    await follower.stop()
    expect(most).toBe(1)
  })

  test.each([
    [0, 0, 750],
    [0, 1, 1250],
    [1, 0.5, 2000],
    [3, 0.5, 8000],
    [4, 0.5, 10_000],
    [60, 0.5, 10_000],
    [2000, 0.5, 10_000],
  ])('after %d failures, at %d, waits %d ms', (failures, random, expected) => {
    expect(nextDelayMs(options({ intervalMs: 1000, maxBackoffMs: 10_000, random: () => random }), failures)).toBe(
      expected,
    )
  })
})
