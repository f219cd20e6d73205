// A publication followed over real folders: news, refusals, faults, and starts with the source gone.
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'bun:test'
import { createHash } from 'node:crypto'
import { mkdir, mkdtemp, readdir, readFile, rename, rm, symlink, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Digest, makeDigest } from '#oci/digest.ts'
import { mediaTypes } from '#oci/media-type.ts'
import type { RepositoryName, Tag } from '#oci/name.ts'
import { mustRun } from '../../test/kit/process.ts'
import { type PackRepository, writePack } from './catalogue-pack.ts'
import { type FollowedPublication, PublicationFollower, type PublicationNews } from './follow-publication.ts'
import { SnapshotHolder, SnapshotRefused } from './holder.ts'
import { PackRefused } from './pack-record.ts'
import { FileUnlike, folderSource } from './snapshot-source.ts'
import { ContentsRefused, type TreeContents, type TreeFile } from './tree-contents.ts'

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
  contents = undefined
  looks = 0
  tree = join(root, `${count}-tree`)
  store = join(root, `${count++}-store`)
  await mkdir(join(tree, 'catalogue'), { recursive: true })
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

async function makePack(
  from: number,
  to: number,
  others: readonly PackRepository[] = [],
  channel = 'stable',
): Promise<TreeFile> {
  const path = `catalogue/${from === 0 ? to : `${from}-${to}`}.pack`
  const header = { channel, from, to, createdAtMs: 0, smallBlobBytes: 10 }
  const written = await writePack(join(tree, path), header, [repository(from, to), ...others], async function* () {
    yield new TextEncoder().encode(contentOf(to))
  })
  return { path, from, to, sizeBytes: written.sizeBytes, digest: written.digest }
}

/** What the tree says it is at this moment; verifying that is another's trade. */
let contents: TreeContents | undefined
let looks = 0
function newsOfTree(): PublicationNews {
  let taken: TreeContents | undefined
  return {
    async next() {
      looks++
      return contents === taken ? undefined : contents
    },
    taken() {
      taken = contents
    },
  }
}

function point(generation: number, packs: readonly TreeFile[], channel = 'stable'): void {
  const lists = [{ ...list, path: `lists/${generation}.gz`, to: generation }]
  contents = { channel, generation, createdAtMs: 0, lists, packs: [...packs] }
}

const about = (more: Partial<FollowedPublication> = {}): FollowedPublication => ({
  holder: new SnapshotHolder('stable'),
  news: newsOfTree(),
  source: folderSource(tree),
  folder: store,
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
    point(1, packs)
    const followed = about()
    const { holder } = followed
    const follower = await PublicationFollower.open(followed)
    expect(latestOf(holder)).toBeUndefined()
    await follower.step()
    expect(latestOf(holder)).toBe(digestOf(contentOf(1)))

    for (const to of [2, 3, 4]) packs.push(await makePack(to - 1, to))
    point(4, packs)
    await follower.step()
    expect(latestOf(holder)).toBe(digestOf(contentOf(4)))
    expect(await packsIn()).toEqual(['1-2.pack', '1.pack', '2-3.pack', '3-4.pack'])
    const { bytes } = holder.current.publication!.publication.repositories.get('a')!.manifests.get(latestOf(holder)!)!
    const served = (await readFile(bytes.pack)).subarray(bytes.offset, bytes.offset + bytes.sizeBytes)
    expect(served.toString()).toBe(contentOf(4))

    packs.push(await makePack(4, 5), await makePack(0, 5))
    point(5, packs)
    await follower.step()
    expect(latestOf(holder)).toBe(digestOf(contentOf(5)))
    // The packs before are kept for the requests that began before; with the next change they go.
    expect(await packsIn()).toContain('3-4.pack')
    packs.push(await makePack(5, 6))
    point(6, packs)
    await follower.step()
    expect(await packsIn()).toEqual(['5-6.pack', '5.pack'])

    await rm(tree, { recursive: true })
    const again = about()
    const restarted = await PublicationFollower.open(again)
    expect(latestOf(again.holder)).toBe(digestOf(contentOf(6)))
    await restarted.step()
    expect(logged).toEqual([])
  })

  test('of a chain grown long becomes a shorter one by a pack that spans many generations, not by the whole anew', async () => {
    const [first, ...changes] = [await makePack(0, 1), await makePack(1, 2), await makePack(2, 3), await makePack(3, 4)]
    const { holder, ...rest } = about()
    const follower = await PublicationFollower.open({ holder, ...rest })
    for (const [i, generation] of [1, 2, 3, 4].entries()) {
      point(generation, [first!, ...changes.slice(0, i)])
      await follower.step()
    }
    const span = await makePack(1, 5)
    const others = Array.from({ length: 50 }, (_, i) => ({ ...repository(0, 5), name: `other-${i}` as RepositoryName }))
    const whole = await makePack(0, 5, others)
    await rm(join(tree, whole.path))
    point(5, [span, whole])
    await follower.step()
    expect(latestOf(holder)).toBe(digestOf(contentOf(5)))
    expect([...holder.current.publication!.publication.repositories.get('a')!.manifests.keys()]).toHaveLength(1)
    const { chain } = JSON.parse(await readFile(join(store, 'chain.json'), 'utf8'))
    expect(chain.map((pack: TreeFile) => pack.path)).toEqual([first!.path, span.path])
    expect(logged).toEqual([])
  })

  test('is not fetched again while there are no news', async () => {
    point(1, [await makePack(0, 1)])
    const follower = await PublicationFollower.open(about())
    await follower.step()
    await rm(join(tree, 'catalogue'), { recursive: true })
    await follower.step()
    expect(looks).toBe(2)
  })

  test('of any channel is taken where none is given, and then no other', async () => {
    point(1, [await makePack(0, 1)])
    const followed = about({ holder: new SnapshotHolder(undefined) })
    await (await PublicationFollower.open(followed)).step()
    expect(followed.holder.current.publication?.publication.channel).toBe('stable')
    const other = { ...followed.holder.current.publication!.publication, channel: 'testing', generation: 2 }
    expect(() => followed.holder.takePublication(other)).toThrow(SnapshotRefused)
  })

  test('falls back to a whole pack when a delta does not fit', async () => {
    const one = await makePack(0, 1)
    point(1, [one])
    const followed = about()
    const follower = await PublicationFollower.open(followed)
    await follower.step()
    // Enough of them that the delta is the cheaper way.
    const others = Array.from({ length: 9 }, (_, i) => ({ name: `b${i}` as RepositoryName }))
    const wrong = await makePack(2, 3)
    await rename(join(tree, wrong.path), join(tree, 'catalogue/1-3.pack'))
    point(3, [one, { ...wrong, path: 'catalogue/1-3.pack', from: 1 }, await makePack(0, 3, others)])
    await follower.step()
    expect(latestOf(followed.holder)).toBe(digestOf(contentOf(3)))
    expect(logged[0]).toBeInstanceOf(PackRefused)
  })

  test('goes around a damaged pack when another way leads there', async () => {
    const packs = [await makePack(0, 1), await makePack(1, 2)]
    await writeFile(join(tree, packs[1]!.path), Buffer.alloc(packs[1]!.sizeBytes))
    const others = Array.from({ length: 40 }, (_, i) => ({ name: `b${i}` as RepositoryName }))
    point(2, [...packs, await makePack(0, 2, others)])
    const followed = about()
    await (await PublicationFollower.open(followed)).step()
    expect(latestOf(followed.holder)).toBe(digestOf(contentOf(2)))
    expect(logged).toHaveLength(1)
    expect(String(logged[0])).toContain(packs[1]!.path)
  })

  type Spoil = (one: TreeFile, next: TreeFile) => Promise<void>
  const inPlaceOf = (put: (path: string) => Promise<unknown>): Spoil => {
    return async (one, next) => {
      const pack = await makePack(2, 3)
      await rm(join(tree, pack.path))
      await put(join(tree, pack.path))
      point(3, [one, next, pack])
    }
  }
  const cases: [string, Spoil, new (...asked: never[]) => Error][] = [
    ['of a lower generation', async (one) => point(1, [one]), ContentsRefused],
    [
      'whose pack is of another channel',
      async (one, next) => {
        const whole = await makePack(0, 9, [], 'testing')
        point(9, [one, next, whole])
      },
      SnapshotRefused,
    ],
    ['whose pack is cut short', inPlaceOf((path) => writeFile(path, 'short')), FileUnlike],
    [
      'whose pack has other bytes of the same length',
      async (one, next) => {
        const pack = await makePack(2, 3)
        await writeFile(join(tree, pack.path), Buffer.alloc(pack.sizeBytes))
        point(3, [one, next, pack])
      },
      PackRefused,
    ],
    ['whose pack is missing', inPlaceOf(async () => undefined), Error],
    ['whose pack is a link', inPlaceOf((path) => symlink(join(tree, 'catalogue/1.pack'), path)), FileUnlike],
    ['whose pack is a pipe', inPlaceOf((path) => mustRun('mkfifo', [path])), FileUnlike],
    ['whose pack is a folder', inPlaceOf((path) => mkdir(path)), FileUnlike],
    [
      'whose pack is far too large',
      inPlaceOf(async (path) => {
        await writeFile(path, '')
        await truncate(path, 2 ** 40)
      }),
      FileUnlike,
    ],
  ]
  test.each(cases)('%s is refused, the old one stays, and a good one is taken after it', async (_, spoil, refusal) => {
    const one = await makePack(0, 1)
    const delta = await makePack(1, 2)
    point(2, [one, delta])
    const followed = about()
    const follower = await PublicationFollower.open(followed)
    await follower.step()
    const before = followed.holder.current
    await spoil(one, delta)
    await expect(follower.step()).rejects.toThrow(refusal)
    expect(followed.holder.current).toBe(before)
    expect((await packsIn()).filter((name) => name.startsWith('.'))).toEqual([])
    await rm(join(tree, 'catalogue/2-3.pack'), { recursive: true, force: true })
    point(3, [one, delta, await makePack(2, 3)])
    await follower.step()
    expect(latestOf(followed.holder)).toBe(digestOf(contentOf(3)))
  })

  test('starts from nothing when its folder is damaged, and says so', async () => {
    point(1, [await makePack(0, 1)])
    await (await PublicationFollower.open(about())).step()
    const pack = join(store, 'catalogue/1.pack')
    const bytes = await readFile(pack)
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
