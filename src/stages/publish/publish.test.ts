import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { cp, mkdtemp, readdir, readFile, rm, stat, truncate, unlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import fc from 'fast-check'
import type { KyselyPlugin } from 'kysely'
import type { BlobStore } from '#blobs/blob-store.ts'
import { digestOf } from '#blobs/hashing.ts'
import { findGeneration } from '#catalogue/generations.ts'
import { blobPath, type Digest, hexOf } from '#oci/digest.ts'
import { timestampPath } from '#snapshots/tree-contents.ts'
import type { Signer } from '#trust/signer.ts'
import { TreeSigner } from '#trust/tree-signer.ts'
import { readContents } from '../../../test/kit/read-contents.ts'
import { largeLayer, openReleaseLine, type ReleaseLine } from '../../../test/kit/release-line.ts'
import {
  contentOf,
  expectedBlobs,
  expectedContent,
  linksOf,
  readTree,
  type TreeReading,
} from '../../../test/kit/tree-reading.ts'
import { lifetimes } from '../../../test/kit/trust.ts'
import type { PublishStores } from './publish-stores.ts'
import { renderGeneration } from './render-generation.ts'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'publish-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }), 60_000)
let count = 0
const newFolder = () => join(folder, `${++count}`)
const control = { signal: new AbortController().signal, progress: () => undefined }

async function filesBelow(root: string): Promise<string[]> {
  const entries = await readdir(root, { recursive: true, withFileTypes: true }).catch(() => [])
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(root.length + 1))
    .sort()
}

/** Path -> digest of its bytes, of all that the metadata name: those are signed anew with every try. */
async function digestsBelow(root: string): Promise<Record<string, string>> {
  const all: Record<string, string> = {}
  for (const path of await filesBelow(root))
    if (!path.startsWith('metadata/')) all[path] = digestOf(await readFile(join(root, path)))
  return all
}

async function promoted(line: ReleaseLine, repository: string, note = '', layers?: string[]): Promise<Digest> {
  const digest = await line.push(repository, { tags: ['t'], note, ...(layers && { layers }) })
  await line.promote([`${repository}:t`])
  return digest
}

function signingBy(line: ReleaseLine, sign: Signer['sign']): PublishStores {
  const { signer, roots } = line.trust
  const signing: Signer = {
    findKey: (role) => signer.findKey(role),
    highestVersion: (role, scope) => signer.highestVersion(role, scope),
    sign,
  }
  return { ...line.stores, trust: new TreeSigner(signing, roots, lifetimes, line.stores.now) }
}

describe('a publication', () => {
  test('counts generations from 1; the first may be empty, then there is something new or nothing happens', async () => {
    await using line = await openReleaseLine(newFolder())
    expect(await line.publish()).toMatchObject({ generation: 1, isNew: true })
    expect(await readTree(line.treeOf('stable'))).toMatchObject({ contents: { generation: 1 }, blobs: new Map() })
    const before = await digestsBelow(line.treeOf('stable'))
    expect(await line.publish()).toEqual({ channel: 'stable', generation: 1, isNew: false, summary: undefined })
    expect(await digestsBelow(line.treeOf('stable'))).toEqual(before)
    await promoted(line, 'a')
    expect(await line.publish()).toMatchObject({
      generation: 2,
      isNew: true,
      summary: { repositoriesChanged: 1, blobsAdded: 1 },
    })
    expect(await line.publish()).toMatchObject({ generation: 2, isNew: false })
    const { publication, blobs } = await readTree(line.treeOf('stable'))
    expect([...publication.repositories.keys()]).toEqual(['a'])
    expect(blobs.size).toBe(1)
    const events = await line.catalogue
      .selectFrom('events')
      .select('subject')
      .where('type', '=', 'generation.published')
      .execute()
    expect(events.map((one) => one.subject).sort()).toEqual(['stable/1', 'stable/2'])
  })

  test('does not name a tag or an image that came and went since the last one', async () => {
    await using line = await openReleaseLine(newFolder())
    await promoted(line, 'a')
    await line.publish()
    const held = await readTree(line.treeOf('stable'))
    await line.push('a', { tags: ['gone'], note: 'gone' })
    await line.promote(['a:gone'])
    await line.rollback(['a', 1])
    await line.publish()
    const { publication } = await readTree(line.treeOf('stable'), held)
    expect([...publication.repositories.get('a')!.tags.keys()]).toEqual(['t'])
  })

  test('says of a large config that it is one, however it came into the packs', async () => {
    await using line = await openReleaseLine(newFolder())
    await promoted(line, 'a', 'n'.repeat(1000))
    await promoted(line, 'b')
    await line.publish()
    await promoted(line, 'b', 'm'.repeat(1000))
    await line.publish()
    const { publication } = await readTree(line.treeOf('stable'))
    const large = [...publication.repositories.values()].flatMap(({ name, blobs }) =>
      [...blobs.values()]
        .filter(({ small }) => small === undefined)
        .map(({ sizeBytes, isConfig }) => `${name} ${sizeBytes > 1000} ${isConfig}`),
    )
    expect(large.sort()).toEqual(['a false false', 'a true true', 'b false false', 'b true true'])
  })

  test('links its blobs, and copies them to another file system', async () => {
    await using line = await openReleaseLine(newFolder())
    await promoted(line, 'a')
    expect(await line.publish()).toMatchObject({ summary: { blobsAdded: 1, blobsCopied: 0 } })
    const digest = digestOf(largeLayer('a'))
    const [inTree, inStore] = [line.treeOf('stable'), join(line.folder, 'store')].map((root) =>
      join(root, blobPath(digest)),
    )
    expect(await linksOf(inTree!)).toBe(2)
    expect((await stat(inTree!)).ino).toBe((await stat(inStore!)).ino)

    const elsewhere = await mkdtemp('/dev/shm/publish-')
    try {
      await using other = await openReleaseLine(newFolder(), { trees: elsewhere })
      await promoted(other, 'a')
      expect(await other.publish()).toMatchObject({ summary: { blobsAdded: 1, blobsCopied: 1 } })
      expect(await linksOf(join(elsewhere, 'stable', blobPath(digest)))).toBe(1)
      await readTree(other.treeOf('stable'))
    } finally {
      await rm(elsewhere, { recursive: true })
    }
  })

  test('is what anybody may read, whatever the umask', async () => {
    const before = process.umask(0o077)
    try {
      await using line = await openReleaseLine(newFolder())
      await promoted(line, 'a')
      await line.publish()
      const root = line.treeOf('stable')
      for (const entry of await readdir(root, { recursive: true, withFileTypes: true })) {
        const { mode } = await stat(join(entry.parentPath, entry.name))
        expect([entry.name, mode & 0o777]).toEqual([entry.name, entry.isFile() ? 0o644 : 0o755])
      }
    } finally {
      process.umask(before)
    }
  })

  test.each([
    [
      'a layer cut short',
      largeLayer('layer'),
      (path: string) => truncate(path, 9),
      'should have 600 bytes and has 9: push it again',
    ],
    [
      'a layer gone',
      largeLayer('layer'),
      (path: string) => unlink(path),
      'should have 600 bytes and is gone: push it again',
    ],
    [
      'a small blob with other bytes',
      'small layer',
      (path: string) => writeFile(path, 'SMALL LAYER'),
      'came out as sha256:',
    ],
    ['a small blob gone', 'small layer', (path: string) => unlink(path), 'are gone: push it again'],
  ])('stops at %s, says which, and goes on when it is mended', async (_, layer, damage, reason) => {
    await using line = await openReleaseLine(newFolder())
    await promoted(line, 'first')
    await line.publish()
    const held = await readTree(line.treeOf('stable'))
    await promoted(line, 'a', '', [layer])
    const digest = digestOf(layer)
    await damage(join(line.folder, 'store', blobPath(digest)))
    const message = await line.publish().then(String, (error) => error.message)
    expect(message).toContain(digest)
    expect(message).toContain(reason)
    expect((await readContents(line.treeOf('stable'))).generation).toBe(1)
    await readTree(line.treeOf('stable'), held)
    await line.blobs.put(digest, new TextEncoder().encode(layer))
    expect(await line.publish()).toMatchObject({ generation: 2, isNew: true })
    await readTree(line.treeOf('stable'), held)
  })

  test('finishes what an earlier one left unfinished, and then publishes what came since', async () => {
    await using line = await openReleaseLine(newFolder())
    await promoted(line, 'a')
    const failing = signingBy(line, () => Promise.reject(new Error('no key today')))
    await expect(renderGeneration('stable', { actor: 'x' }, failing, control)).rejects.toThrow('no key today')
    await promoted(line, 'b')
    expect(await line.publish()).toMatchObject({ generation: 2, isNew: true })
    const { publication } = await readTree(line.treeOf('stable'))
    expect([...publication.repositories.keys()]).toEqual(['a', 'b'])
    const { publication: first } = await readFirst(line)
    expect([...first]).toEqual(['a'])
  })

  test('renders again under the limit that it began with', async () => {
    await using line = await openReleaseLine(newFolder())
    await promoted(line, 'a', '', [largeLayer('middle', 300)])
    const failing = signingBy(line, () => Promise.reject(new Error('no')))
    await expect(renderGeneration('stable', { actor: 'x' }, failing, control)).rejects.toThrow('no')
    const before = await digestsBelow(line.treeOf('stable'))
    await renderGeneration('stable', { actor: 'x' }, { ...line.stores, smallBlobBytes: 1024 }, control)
    expect(await digestsBelow(line.treeOf('stable'))).toMatchObject(before)
  })

  test.each([
    ['lower', 100],
    ['higher', 5000],
  ])('with a %s limit of small blobs serves every blob there ever was', async (_, smallBlobBytes) => {
    await using line = await openReleaseLine(newFolder())
    await promoted(line, 'a', 'one', [largeLayer('tiny', 50), largeLayer('middle', 200), largeLayer('large', 600)])
    await line.publish()
    const held = await readTree(line.treeOf('stable'))
    for (let i = 0; i < 4; i++) {
      await promoted(line, 'b', `${i}`, [largeLayer(`b${i}`, 900)])
      await renderGeneration('stable', { actor: 'x' }, { ...line.stores, smallBlobBytes }, control)
    }
    const root = line.treeOf('stable')
    for (const { publication, blobs } of [await readTree(root), { ...held, blobs: (await readTree(root)).blobs }]) {
      for (const repository of publication.repositories.values()) {
        for (const blob of repository.blobs.values())
          expect(blob.small !== undefined || blobs.has(blob.digest)).toBe(true)
      }
    }
  })

  test('can be stopped, and goes on from there', async () => {
    await using line = await openReleaseLine(newFolder())
    await promoted(line, 'a')
    const stopped = { ...control, signal: AbortSignal.abort(new Error('stop')) }
    await expect(renderGeneration('stable', { actor: 'x' }, line.stores, stopped)).rejects.toThrow('stop')
    expect(await filesBelow(join(line.treeOf('stable'), 'metadata'))).toEqual([])
    expect(await line.publish()).toMatchObject({ generation: 1, isNew: true })
  })

  test('never signs an older generation than the tree has', async () => {
    await using line = await openReleaseLine(newFolder())
    await promoted(line, 'a')
    await line.publish()
    await promoted(line, 'b')
    await line.publish()
    // The catalogue was restored from a backup of before generation 2; the keys were not.
    await line.catalogue.deleteFrom('generations').where('number', '=', 2).execute()
    await line.catalogue.deleteFrom('generation_repositories').where('number', '=', 2).execute()
    await line.catalogue.updateTable('generations').set({ number: 0 }).execute()
    await line.catalogue.updateTable('generation_repositories').set({ number: 0 }).execute()
    await line.catalogue.updateTable('channel_versions').set({ published_version: 0 }).execute()
    const timestamp = await readFile(join(line.treeOf('stable'), timestampPath))
    await expect(line.publish()).rejects.toThrow('generation 1 of stable is older than 2, which was signed before')
    expect(await readFile(join(line.treeOf('stable'), timestampPath))).toEqual(timestamp)
  })
})

async function readFirst(line: ReleaseLine): Promise<{ publication: string[] }> {
  return { publication: Object.keys(await expectedContent(line, 'stable', 1)) }
}

test('nothing of a channel that is not public is in any published byte', async () => {
  await using line = await openReleaseLine(newFolder())
  const secrets: string[] = []
  const hide = (...texts: string[]) => secrets.push(...texts)
  const push = async (repository: string, tag: string, note: string) => {
    const layer = largeLayer(`layer of ${note} `)
    const digest = await line.push(repository, {
      tags: [tag],
      note,
      layers: [layer, `small ${note}`],
      annotations: { note },
    })
    return [digest, digestOf(layer), digestOf(`small ${note}`), tag, note] as const
  }
  // In a repository that is public otherwise, in one that is not at all, and on the way in a channel between.
  await push('shared', 'public-tag', 'public note')
  await line.promote(['shared:public-tag'])
  await line.publish()
  hide(...(await push('shared', 'candidate-tag', 'unreleased note')))
  hide('embargoed-repository', ...(await push('embargoed-repository', 'secret-tag', 'embargoed note')))
  hide('between-repository', ...(await push('between-repository', 'testing-tag', 'tested note')))
  await line.promote(['between-repository:testing-tag'], { to: 'testing' })
  // A companion of something unreleased, and a tag moved away before anything was published.
  const embargoed = secrets[0] as Digest
  hide(
    `sha256-${hexOf(embargoed)}.sig`,
    await line.push('shared', { tags: [`sha256-${hexOf(embargoed)}.sig`], note: 'signature' }),
  )
  await push('shared', 'public-tag', 'second public note')
  await line.promote(['shared:public-tag'], { reason: 'a private reason', actor: 'private-engineer' })
  hide('a private reason', 'private-engineer', 'engineer', 'worker', 'candidate', 'testing')
  await line.publish()

  const root = line.treeOf('stable')
  const texts = new Map<string, string>()
  for (const path of await filesBelow(root)) {
    const bytes = await readFile(join(root, path))
    let text = bytes.toString('latin1')
    if (path.endsWith('.gz')) text += gunzipSync(bytes).toString('latin1')
    texts.set(path, `${path}\n${text}`)
  }
  expect([...texts.values()].some((text) => text.includes('public note'))).toBe(true)
  expect([...texts.values()].some((text) => text.includes(digestOf(largeLayer('layer of public note '))))).toBe(true)
  const needles = secrets.flatMap((text) =>
    text.startsWith('sha256:') ? [text, text.slice(7), text.slice(7, 23)] : [text],
  )
  for (const needle of needles) {
    for (const [path, text] of texts) {
      if (text.includes(needle)) throw new Error(`${JSON.stringify(needle)} is in ${path}`)
    }
  }
  expect(await filesBelow(line.treeOf('testing'))).toEqual([])
  expect(await filesBelow(line.treeOf('candidate'))).toEqual([])
})

/** Counts statements; from the `failAt`th on it throws, as a database that is gone does. */
function counting(failAt = Number.POSITIVE_INFINITY) {
  const calls = { count: 0 }
  const step = () => {
    if (++calls.count >= failAt) throw new Error(`crash at step ${failAt}`)
  }
  const plugin: KyselyPlugin = {
    transformQuery: ({ node }) => {
      step()
      return node
    },
    transformResult: async ({ result }) => result,
  }
  const stores = (line: ReleaseLine): PublishStores => ({
    ...signingBy(line, async (bytes) => {
      step()
      return await line.trust.signer.sign(bytes)
    }),
    catalogue: line.catalogue.withPlugin(plugin),
    blobs: new Proxy(line.blobs, {
      get(target, key: keyof BlobStore) {
        const value = target[key]
        if (typeof value !== 'function') return value
        return (...args: unknown[]) => {
          step()
          return (value as (...args: unknown[]) => unknown).apply(target, args)
        }
      },
    }),
  })
  return { calls, stores }
}

test('costs what changed, not what exists', async () => {
  await using line = await openReleaseLine(newFolder())
  const names = (count: number) => Array.from({ length: count }, (_, i) => `r${i}`)
  const costOfOne = async () => {
    await promoted(line, 'r3', `change ${count++}`, [largeLayer(`change ${count}`)])
    const before = new Set(await filesBelow(line.treeOf('stable')))
    const counted = counting()
    const published = await renderGeneration('stable', { actor: 'x' }, counted.stores(line), control)
    const files = (await filesBelow(line.treeOf('stable'))).filter((path) => !before.has(path))
    const bytes = (await Promise.all(files.map((path) => stat(join(line.treeOf('stable'), path))))).map(
      (one) => one.size,
    )
    return { calls: counted.calls.count, files, bytes: bytes.reduce((a, b) => a + b), published }
  }
  const grow = async (all: string[]) => {
    for (const name of all) await line.push(name, { tags: ['t'] })
    await line.promote(all.map((name) => `${name}:t`))
    await line.publish()
  }
  await grow(names(5))
  await costOfOne()
  const few = await costOfOne()
  await grow(names(500))
  // Until the runs lie apart again: the next change meets none that has to become one with another of its size.
  for (let i = 0; i < 4; i++) await costOfOne()
  const many = await costOfOne()
  expect(many.published.summary).toMatchObject({ repositoriesChanged: 1, blobsAdded: 1 })
  // The blob, a change and at most one joint run of lists and of packs, targets and snapshot.
  expect(many.files.length).toBeLessThanOrEqual(7)
  expect(many.calls).toBeLessThanOrEqual(few.calls + 6)
  expect(many.bytes).toBeLessThan(few.bytes * 2)
  await readTree(line.treeOf('stable'))
}, 60_000)

test('a crash at any step leaves the old generation whole, and rendering again gives the bytes of an undisturbed one', async () => {
  const origin = newFolder()
  {
    await using line = await openReleaseLine(origin)
    await promoted(line, 'a', 'one')
    await promoted(line, 'b', 'one', ['a small layer', largeLayer('b')])
    await line.publish()
    await promoted(line, 'a', 'two', [largeLayer('a two'), largeLayer('a three')])
    await line.push('c', { tags: ['x'], subject: await promoted(line, 'c') })
    await line.promote(['c:x'])
    await line.rollback(['b', 0])
  }
  const startMs = Date.now()
  const copyOf = async () => {
    const copy = newFolder()
    await cp(origin, copy, { recursive: true })
    return await openReleaseLine(copy, { startMs })
  }
  await using reference = await copyOf()
  const held = await readTree(reference.treeOf('stable'))
  const whole = counting()
  await renderGeneration('stable', { actor: 'x' }, whole.stores(reference), control)
  const wanted = await digestsBelow(reference.treeOf('stable'))
  const steps = whole.calls.count
  let fixed = 0
  for (let failAt = 1; failAt <= steps; failAt++) {
    await using line = await copyOf()
    const root = line.treeOf('stable')
    const crashing = renderGeneration('stable', { actor: 'x' }, counting(failAt).stores(line), control)
    await expect(crashing).rejects.toThrow('crash at step')
    const isFixed = (await findGeneration(line.catalogue, 'stable', 2)) !== undefined
    // What a kill in the middle of a write would leave beside it.
    const halves = [
      'lists/.1-2.gz.00.tmp',
      'catalogue/1-2.pack.partial',
      `${blobPath(digestOf(largeLayer('a two')))}.x.tmp`,
    ]
    if (isFixed) for (const path of halves) await Bun.write(join(root, path), 'half')
    const { contents } = await readTree(root, held)
    expect(contents.generation).toBeLessThanOrEqual(isFixed ? 2 : 1)
    expect(await renderGeneration('stable', { actor: 'x' }, line.stores, control)).toMatchObject({ generation: 2 })
    // Where the generation itself was not fixed yet, it began later and has another time in its files.
    if (isFixed) expect(await digestsBelow(root)).toEqual(wanted)
    fixed += isFixed ? 1 : 0
    await readTree(root, held)
    expect(await contentOf((await readTree(root)).publication)).toEqual(await expectedContent(line, 'stable', 2))
  }
  expect(fixed).toBeGreaterThan(20)
}, 120_000)

describe('whatever is promoted, rolled back and published', () => {
  const repositories = ['a', 'b/c', 'd']
  const step = fc.oneof(
    {
      weight: 4,
      arbitrary: fc.record({
        do: fc.constant('promote' as const),
        repository: fc.constantFrom(...repositories),
        tag: fc.constantFrom('t', 'u', 'v'),
        layer: fc.nat(5),
        note: fc.nat(3),
        with: fc.constantFrom('', ...repositories),
      }),
    },
    {
      weight: 2,
      arbitrary: fc.record({
        do: fc.constant('rollback' as const),
        repository: fc.constantFrom(...repositories),
        at: fc.nat(3),
      }),
    },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('back to' as const), at: fc.nat(3) }) },
    { weight: 3, arbitrary: fc.record({ do: fc.constant('publish' as const) }) },
  )

  test('every reader sees what the log says, from any generation on', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 8, maxLength: 20 }), async (steps) => {
        await using line = await openReleaseLine(newFolder())
        const readings: TreeReading[] = []
        const contents: Awaited<ReturnType<typeof expectedContent>>[] = []
        const publish = async () => {
          const { generation, isNew } = await line.publish()
          expect(generation).toBe(readings.length + (isNew ? 1 : 0))
          if (!isNew) return
          const root = line.treeOf('stable')
          const reading = await readTree(root)
          for (const held of readings) {
            // Who is behind the kept checkpoints starts over; everyone else follows.
            await readTree(root, held)
          }
          readings.push(reading)
          const expected = await expectedContent(line, 'stable', generation)
          contents.push(expected)
          expect(await contentOf(reading.publication)).toEqual(expected)
          expect(new Map([...reading.blobs].sort())).toEqual(expectedBlobs(contents))
        }
        for (const one of steps) {
          if (one.do === 'publish') await publish()
          else if (one.do === 'promote') {
            const image = {
              layers: [largeLayer(`layer ${one.layer}`), `small ${one.layer}`],
              note: `${one.note}`,
              tags: [one.tag],
            }
            await line.push(one.repository, image)
            if (one.with) await line.push(one.with, { ...image, note: 'along' })
            await line.promote(
              [one.repository, ...(one.with && one.with !== one.repository ? [one.with] : [])].map(
                (name) => `${name}:${one.tag}`,
              ),
            )
          } else {
            const target = one.do === 'rollback' ? ([one.repository, one.at] as const) : one.at
            // Most are of versions and generations that are not there: refused, and nothing changes.
            await line.rollback(target).catch((error) => expect(error.name).toBe('RegistryError'))
          }
        }
        await publish()
      }),
      { numRuns: 15 },
    )
  }, 120_000)
})
