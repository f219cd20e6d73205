import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { mkdtemp, readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { digestOf } from '#blobs/hashing.ts'
import { findLatestGeneration } from '#catalogue/generations.ts'
import { addPulls, dayOf } from '#catalogue/pulls.ts'
import { timestampPath } from '#snapshots/tree-contents.ts'
import { TreeSigner } from '#trust/tree-signer.ts'
import { readContents } from '../../../test/kit/read-contents.ts'
import { largeLayer, openReleaseLine, type ReleaseLine } from '../../../test/kit/release-line.ts'
import { contentOf, expectedContent, readTree } from '../../../test/kit/tree-reading.ts'
import { dayMs, lifetimes } from '../../../test/kit/trust.ts'
import { isResigningDue, keepTree } from './keep-tree.ts'
import type { PublishStores } from './publish-stores.ts'
import { renderGeneration } from './render-generation.ts'
import { type ThinLimits, thinDefaults, thinTree } from './thin-tree.ts'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'keep-tree-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }), 60_000)
let count = 0
const newFolder = () => join(folder, `${++count}`)
const control = { signal: new AbortController().signal, progress: () => undefined }
const hourMs = 3_600_000

/** The same line with its clock put forward: for its trust too. */
function later(line: ReleaseLine, byMs: number): PublishStores {
  const now = () => line.stores.now() + byMs
  return { ...line.stores, now, trust: new TreeSigner(line.trust.signer, line.trust.roots, lifetimes, now) }
}

async function publishOne(line: ReleaseLine, note: string, stores = line.stores as PublishStores): Promise<void> {
  await line.push('a', { tags: ['t'], note, layers: [largeLayer(note)] })
  await line.promote(['a:t'])
  await renderGeneration('stable', { actor: 'worker' }, stores, control)
}

describe('between generations', () => {
  test('metadata are left alone while they are fresh, and signed anew when half of their life is over', async () => {
    await using line = await openReleaseLine(newFolder())
    await publishOne(line, 'one')
    const root = line.treeOf('stable')
    const before = await readFile(join(root, timestampPath))
    expect(await keepTree('stable', line.stores, thinDefaults)).toEqual({ isSigned: false, removed: [] })
    expect(await readFile(join(root, timestampPath))).toEqual(before)
    const due = (byMs: number, newestRoot = 1) =>
      isResigningDue(root, { timestampMs: lifetimes.timestampMs, newestRoot, nowMs: line.stores.now() + byMs })
    expect(await due(0)).toBe(false)
    expect(await due(0, 2)).toBe(true)
    expect(await due(1.6 * dayMs)).toBe(true)
    const contents = await readContents(root)
    for (const byMs of [1.6 * dayMs, 100 * dayMs])
      expect(await keepTree('stable', later(line, byMs), thinDefaults)).toMatchObject({ isSigned: true })
    expect(await readContents(root)).toEqual(contents)
  })

  test('a tree that says something else, or lost its metadata, says what the catalogue says again', async () => {
    await using line = await openReleaseLine(newFolder())
    await publishOne(line, 'one')
    const root = line.treeOf('stable')
    const contents = await readContents(root)
    await rm(join(root, 'metadata'), { recursive: true })
    expect(await keepTree('stable', line.stores, thinDefaults)).toMatchObject({ isSigned: true })
    expect(await readContents(root)).toEqual(contents)
    await writeFile(join(root, 'metadata/2.targets.json'), '{"signed":{"targets":{"lists/9.gz":null}}}')
    expect(await keepTree('stable', line.stores, thinDefaults)).toMatchObject({ isSigned: true })
    expect(await readContents(root)).toEqual(contents)
  })

  test('nothing happens before the first generation and while one is half rendered', async () => {
    await using line = await openReleaseLine(newFolder())
    expect(await keepTree('stable', line.stores, thinDefaults)).toEqual({ isSigned: false, removed: [] })
    await publishOne(line, 'one')
    await line.catalogue.updateTable('generations').set({ state: 'rendering' }).execute()
    expect(await keepTree('stable', later(line, dayMs * 2), thinDefaults)).toEqual({ isSigned: false, removed: [] })
  })

  test('what is pulled most is looked at once a day, and named without a new generation', async () => {
    await using line = await openReleaseLine(newFolder())
    await publishOne(line, 'one')
    const root = line.treeOf('stable')
    expect((await readContents(root)).popular).toBeUndefined()
    const pull = (note: string, pulls: number) => {
      const day = dayOf(line.stores.now())
      return addPulls(line.catalogue, { channel: 'stable', day }, new Map([[digestOf(largeLayer(note)), pulls]]))
    }
    await pull('one', 3)
    expect(await keepTree('stable', later(line, hourMs), thinDefaults)).toMatchObject({ isSigned: false })
    expect(await keepTree('stable', later(line, 25 * hourMs), thinDefaults)).toMatchObject({ isSigned: true })
    expect(await readContents(root)).toMatchObject({ generation: 1, popular: { number: 1 } })
    await publishOne(line, 'two', later(line, 26 * hourMs))
    await pull('two', 30)
    expect(await readContents(root)).toMatchObject({ generation: 2, popular: { number: 1 } })
    const { summary } = (await findLatestGeneration(line.catalogue, 'stable', 'published'))!
    expect(summary).toMatchObject({ popular: { number: 1 } })
    await publishOne(line, 'three', later(line, 50 * hourMs))
    expect(await readContents(root)).toMatchObject({ generation: 3, popular: { number: 2 } })
    await readTree(root)
  })
})

test('a new epoch goes on above its floor, from whole files only, and with a generation of its own', async () => {
  class Floored extends TreeSigner {
    override async generationFloor(): Promise<number> {
      return 40
    }
  }
  await using line = await openReleaseLine(newFolder())
  await publishOne(line, 'one')
  await publishOne(line, 'two')
  const root = line.treeOf('stable')
  const { signer, roots } = line.trust
  const stores = { ...line.stores, trust: new Floored(signer, roots, lifetimes, line.stores.now) }
  expect(await keepTree('stable', later(line, 2 * dayMs), thinDefaults)).toMatchObject({ isSigned: true })
  expect(await keepTree('stable', { ...later(line, 9 * dayMs), trust: stores.trust }, thinDefaults)).toMatchObject({
    isSigned: false,
  })
  const publish = () => renderGeneration('stable', { actor: 'x' }, stores, control)
  expect(await publish()).toMatchObject({ generation: 41, isNew: true })
  expect(await publish()).toMatchObject({ generation: 41, isNew: false })
  const whole = await readTree(root)
  const paths = ({ lists, packs }: typeof whole.contents) => [...lists, ...packs].map((file) => file.path)
  expect(paths(whole.contents)).toEqual(['lists/41.gz', 'catalogue/41.pack'])
  await line.push('b', { tags: ['t'] })
  await line.promote(['b:t'])
  expect(await publish()).toMatchObject({ generation: 42, isNew: true })
  const { contents, publication } = await readTree(root, whole)
  expect(paths(contents)).toEqual(['lists/41.gz', 'lists/41-42.gz', 'catalogue/41.pack', 'catalogue/41-42.pack'])
  expect(await contentOf(publication)).toEqual(await expectedContent(line, 'stable', 42))
})

test('a run that is damaged on the disk is dropped with those before it for a checkpoint', async () => {
  await using line = await openReleaseLine(newFolder())
  for (const note of ['one', 'two', 'three', 'four']) await publishOne(line, note)
  const root = line.treeOf('stable')
  const { lists } = await readContents(root)
  for (const { path, from } of lists) if (from > 0) await writeFile(join(root, path), 'damaged')
  for (const note of ['five', 'six', 'seven', 'eight', 'nine']) await publishOne(line, note)
  const after = await readContents(root)
  expect(after.lists[0]!.from === 0 ? after.lists[0]!.to : 0).toBeGreaterThan(4)
  await readTree(root)
})

describe('thinning', () => {
  const limits: ThinLimits = { graceMs: dayMs, maxUnnamed: 1000, youngMs: 600_000 }
  const named = async (root: string) => {
    const { lists, packs } = await readContents(root)
    return [...lists, ...packs].map((file) => file.path)
  }
  const smallFiles = async (root: string) => {
    const names = await Promise.all(['lists', 'catalogue', 'metadata'].map((one) => readdir(join(root, one))))
    return names.flat().length
  }

  test('takes what is not named once its grace is over, and nothing else', async () => {
    await using line = await openReleaseLine(newFolder())
    for (let i = 0; i < 12; i++) await publishOne(line, `image ${i}`)
    const root = line.treeOf('stable')
    const reading = await readTree(root)
    await writeFile(join(root, 'lists/11-13.gz'), 'left by a crash before it was signed')
    await writeFile(join(root, 'metadata/99.targets.json'), '{}')
    await writeFile(join(root, 'lists/README'), 'of the operator')
    const all = await smallFiles(root)
    expect(await thinTree(root, Date.now() + dayMs - 60_000, limits)).toEqual([])
    expect(await smallFiles(root)).toBe(all)
    const removed = await thinTree(root, Date.now() + dayMs + 60_000, limits)
    expect(removed).toContain('metadata/1.targets.json')
    expect(removed).toContain('metadata/11.snapshot.json')
    expect(removed).toContain('metadata/99.targets.json')
    expect(removed).toContain('lists/11-13.gz')
    expect((await readdir(join(root, 'metadata'))).sort()).toEqual([
      '1.root.json',
      '12.snapshot.json',
      '12.targets.json',
      'timestamp.json',
    ])
    const kept = [...(await readdir(join(root, 'lists'))).map((one) => `lists/${one}`)]
    kept.push(...(await readdir(join(root, 'catalogue'))).map((one) => `catalogue/${one}`))
    expect(kept.sort()).toEqual([...(await named(root)), 'lists/README'].sort())
    expect(await contentOf((await readTree(root)).publication)).toEqual(await contentOf(reading.publication))
  })

  test('counts the grace from when a file was left, not from when it was written', async () => {
    await using line = await openReleaseLine(newFolder())
    for (let i = 0; i < 3; i++) await publishOne(line, `image ${i}`)
    const root = line.treeOf('stable')
    const old = await readContents(root)
    const longAgo = new Date(Date.now() - 30 * dayMs)
    for (const { path } of [...old.lists, ...old.packs]) await utimes(join(root, path), longAgo, longAgo)
    for (let i = 3; i < 12; i++) await publishOne(line, `image ${i}`)
    const leftBehind = old.lists.filter(({ path }) => !(['lists/1.gz'] as string[]).includes(path))
    expect(leftBehind.length).toBeGreaterThan(0)
    expect(await thinTree(root, Date.now(), limits)).toEqual([])
    for (const { path } of leftBehind) expect((await stat(join(root, path))).isFile()).toBe(true)
  })

  test('bounds a folder by taking the oldest first, but never what was named a moment ago', async () => {
    await using line = await openReleaseLine(newFolder())
    for (let i = 0; i < 12; i++) await publishOne(line, `image ${i}`)
    const root = line.treeOf('stable')
    const few = { ...limits, maxUnnamed: 6 }
    expect(await thinTree(root, Date.now(), few)).toEqual([])
    const removed = await thinTree(root, Date.now() + 11 * 60_000, few)
    expect(removed.filter((path) => path.startsWith('metadata/')).sort()).toEqual(
      [1, 2, 3, 4, 5, 6, 7, 8].flatMap((v) => [`metadata/${v}.snapshot.json`, `metadata/${v}.targets.json`]),
    )
    for (const one of ['lists', 'catalogue']) {
      const all = (await readdir(join(root, one))).map((name) => `${one}/${name}`)
      const names = await named(root)
      expect(all.filter((path) => !names.includes(path)).length).toBeLessThanOrEqual(6)
    }
    await readTree(root)
  })

  test('leaves a tree without metadata alone', async () => {
    expect(await thinTree(newFolder(), Date.now(), limits)).toEqual([])
  })
})
