// The one suite of the catalogue: SQLite and PostgreSQL run it, so that no query is true on one engine only.

import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { sql } from 'kysely'
import { type Digest, makeDigest } from '#oci/digest.ts'
import type { Manifest } from '#oci/manifest.ts'
import { mediaTypes } from '#oci/media-type.ts'
import type { RepositoryName } from '#oci/name.ts'
import {
  addRepositoryBlob,
  findManifestUsingBlob,
  findRepositoryBlob,
  findRepositoryBlobs,
  listBlobRepositories,
  removeRepositoryBlob,
} from './blobs.ts'
import {
  appendChanges,
  type Change,
  changesAlong,
  changesBackTo,
  findVersion,
  listTags,
  listTagsOfManifest,
  manifestKey,
  recordAct,
} from './channels.ts'
import { emit, listEvents, sequenceEvents } from './events.ts'
import {
  addGeneration,
  addGenerationRepositories,
  findGeneration,
  findLatestGeneration,
  listChangedRepositories,
  listGenerations,
  listRepositoriesAt,
  listUnpublished,
  markPublished,
} from './generations.ts'
import { findAnswer, forgetAnswers, keepAnswer } from './idempotency.ts'
import {
  addManifest,
  findChannelManifests,
  findManifest,
  findManifests,
  findTaggedManifest,
  listReferences,
  listReferrers,
} from './manifests.ts'
import { ensureRepository, findRepositoryId, listChannelRepositories, listRepositories } from './repositories.ts'
import type { Catalogue, Tx } from './schema.ts'
import { addToken, findToken, listTokens, revokeToken } from './tokens.ts'
import { addTreeBlobs, findTreeBlobs, listNewTreeBlobs, listTreeBlobs } from './tree-blobs.ts'

export type CatalogueUnderTest = AsyncDisposable & {
  /** An empty place and how to open it, as often as is wanted at once. */
  openEmpty(): Promise<{ open(): Promise<Catalogue> }>
  /** Whether two connections may write at once (SQLite: one connection, one writer). */
  readonly canWriteAtOnce: boolean
}

const hex = (n: number) => n.toString(16).padStart(64, '0')
const digest = (n: number) => makeDigest('sha256', hex(n))
const name = (text: string) => text as RepositoryName
const atMs = 1_764_000_000_000
let count = 0
const fresh = () => name(`r${++count}`)

const manifest = (more: Partial<Manifest> = {}): Manifest => ({
  kind: 'image',
  mediaType: mediaTypes.ociManifest,
  artifactType: mediaTypes.ociConfig,
  config: undefined,
  layers: [],
  children: [],
  subject: undefined,
  annotations: undefined,
  ...more,
})
const descriptor = (of: Digest, size: number, more: Partial<Manifest['layers'][number]> = {}) => ({
  mediaType: mediaTypes.ociConfig as string,
  digest: of,
  size,
  urls: [],
  artifactType: undefined,
  annotations: undefined,
  platform: undefined,
  ...more,
})

const toTag = ([key, value]: readonly [string, Digest | null]): Change => ({ key, digest: value })

export function catalogueContract(engine: string, start: () => Promise<CatalogueUnderTest>): void {
  describe(`the catalogue on ${engine}`, () => {
    let subject: CatalogueUnderTest
    let place: { open(): Promise<Catalogue> }
    let db: Catalogue
    beforeAll(async () => {
      subject = await start()
      place = await subject.openEmpty()
      db = await place.open()
    }, 60_000)
    afterAll(async () => {
      await db?.destroy()
      await subject?.[Symbol.asyncDispose]()
    })
    const write = <T>(work: (tx: Tx) => Promise<T>) => db.transaction().execute(work)
    const append = (repositoryId: number, changes: readonly Change[], act = 'act', channel = 'stable') =>
      write((tx) => appendChanges(tx, { repositoryId, channel }, changes, { id: act, atMs }))
    const repository = async (of = fresh()) => ({ name: of, id: await write((tx) => ensureRepository(tx, of, atMs)) })
    const tagsOf = async (id: number, channel = 'stable') =>
      Object.fromEntries((await listTags(db, id, channel, '', 1e6)).map((row) => [row.tag, row.digest]))

    describe('migrations', () => {
      test('run from nothing, and change nothing the second time', async () => {
        const other = await subject.openEmpty()
        const first = await other.open()
        await first.insertInto('repositories').values({ name: 'a', created_at_ms: atMs }).execute()
        const tables = (await first.introspection.getTables()).map((table) => table.name).sort()
        await first.destroy()
        const second = await other.open()
        expect((await second.introspection.getTables()).map((table) => table.name).sort()).toEqual(tables)
        expect(await second.selectFrom('repositories').select('name').execute()).toEqual([{ name: 'a' }])
        await second.destroy()
      })

      test('may be started by several at once', async () => {
        const other = await subject.openEmpty()
        const all = subject.canWriteAtOnce
          ? await Promise.all(Array.from({ length: 4 }, () => other.open()))
          : [await other.open()]
        for (const one of all) {
          expect(await one.selectFrom('repositories').selectAll().execute()).toEqual([])
          await one.destroy()
        }
      })
    })

    describe('values', () => {
      test('integers up to 2^53 come back as numbers, also from max and count', async () => {
        const big = 2 ** 53 - 1
        await write((tx) =>
          tx
            .insertInto('blobs')
            .values({ digest: digest(1), size_bytes: big, created_at_ms: atMs })
            .execute(),
        )
        expect(
          await db.selectFrom('blobs').select('size_bytes').where('digest', '=', digest(1)).executeTakeFirst(),
        ).toEqual({ size_bytes: big })
        const sums = await db
          .selectFrom('blobs')
          .select((select) => [select.fn.max('size_bytes').as('most'), select.fn.countAll<number>().as('count')])
          .where('digest', '=', digest(1))
          .executeTakeFirstOrThrow()
        expect(sums).toEqual({ most: big, count: 1 })
      })

      test('texts come back as they were', async () => {
        const texts = ["it's", 'é', '日本', '\u{1f680}', '%_\\', '"; drop table jobs', ' a ', '']
        for (const text of texts) {
          const id = await write(async (tx) => {
            await recordAct(tx, { id: `text ${count++}`, kind: 'push', actor: text, reason: text }, atMs)
            return `text ${count - 1}`
          })
          const row = await db.selectFrom('acts').select(['actor', 'reason']).where('id', '=', id).executeTakeFirst()
          expect(row).toEqual({ actor: text, reason: text })
        }
      })

      test('names are in byte order, whatever the locale', async () => {
        const tags = ['a', 'B', '_', '1', 'Z', 'a-b', 'a.b', 'a_b', 'ab', 'A']
        const { id } = await repository()
        await append(
          id,
          tags.map((tag) => toTag([tag, digest(1)])),
        )
        const listed = (await listTags(db, id, 'stable', '', 100)).map((row) => row.tag)
        expect(listed).toEqual([...tags].sort())
        expect((await listTags(db, id, 'stable', 'Z', 2)).map((row) => row.tag)).toEqual(['_', 'a'])
      })
    })

    describe('transactions', () => {
      test('roll back whole', async () => {
        const { id } = await repository()
        await append(id, [toTag(['a', digest(1)])])
        const of = fresh()
        const failing = write(async (tx) => {
          await ensureRepository(tx, of, atMs)
          await appendChanges(tx, { repositoryId: id, channel: 'stable' }, [toTag(['a', digest(2)])], { id: 'x', atMs })
          await emit(tx, { type: 'host.changed', subject: of, data: {}, atMs })
          throw new Error('no')
        })
        await expect(failing).rejects.toThrow('no')
        expect(await findRepositoryId(db, of)).toBeUndefined()
        expect(await findVersion(db, id, 'stable')).toBe(1)
        expect(await tagsOf(id)).toEqual({ a: digest(1) })
        expect(await db.selectFrom('events').selectAll().where('subject', '=', of).execute()).toEqual([])
      })

      test('a statement that fails takes the whole act with it, and the connection goes on', async () => {
        const of = fresh()
        const failing = write(async (tx) => {
          await ensureRepository(tx, of, atMs)
          await sql`select no_such_column from repositories`.execute(tx)
        })
        await expect(failing).rejects.toThrow('no_such_column')
        expect(await findRepositoryId(db, of)).toBeUndefined()
        expect(await repository(of)).toHaveProperty('id')
      })
    })

    describe('repositories', () => {
      test('are made once, however many ask', async () => {
        const of = fresh()
        const ids = await Promise.all(Array.from({ length: 8 }, () => repository(of)))
        expect(new Set(ids.map((one) => one.id)).size).toBe(1)
        expect(await findRepositoryId(db, of)).toBe(ids[0]!.id)
        expect(await findRepositoryId(db, name('never'))).toBeUndefined()
      })

      test('are listed by channel when they hold a manifest there, page by page', async () => {
        const channel = 'listed'
        for (const of of ['l/b', 'l/a', 'l-c', 'l/empty']) {
          const { id } = await repository(name(of))
          if (of !== 'l/empty') await append(id, [{ key: manifestKey(digest(7)), digest: digest(7) }], 'x', channel)
        }
        const names = ['l-c', 'l/a', 'l/b'].map(name)
        expect(await listRepositories(db, channel, '', 10)).toEqual(names)
        expect(await listRepositories(db, channel, 'l-c', 1)).toEqual([names[1]!])
        expect(await listRepositories(db, channel, 'l/b', 10)).toEqual([])
        const standing = await listChannelRepositories(db, channel)
        expect(standing.map((row) => [row.name, row.version])).toEqual(names.map((one) => [one, 1]))
      })
    })

    describe('blobs', () => {
      test('belong to repositories', async () => {
        const a = await repository()
        const b = await repository()
        const [one, two] = [digest(101), digest(102)]
        await write(async (tx) => {
          await addRepositoryBlob(tx, a.id, one, 11, atMs)
          await addRepositoryBlob(tx, a.id, one, 11, atMs)
          await addRepositoryBlob(tx, b.id, one, 11, atMs)
          await addRepositoryBlob(tx, a.id, two, 22, atMs)
        })
        expect(await findRepositoryBlob(db, a.name, two)).toEqual({ sizeBytes: 22 })
        expect(await findRepositoryBlob(db, b.name, two)).toBeUndefined()
        expect(await findRepositoryBlob(db, name('never'), one)).toBeUndefined()
        expect(await findRepositoryBlobs(db, a.id, [one, two, digest(103)])).toEqual(
          new Map([
            [one as string, 11],
            [two, 22],
          ]),
        )
        expect(await findRepositoryBlobs(db, a.id, [])).toEqual(new Map())
        expect(await listBlobRepositories(db, one, 10)).toEqual([a.name, b.name])
        expect(await listBlobRepositories(db, one, 1)).toEqual([a.name])
        expect(await write((tx) => removeRepositoryBlob(tx, a.id, one))).toBe(true)
        expect(await write((tx) => removeRepositoryBlob(tx, a.id, one))).toBe(false)
        expect(await listBlobRepositories(db, one, 10)).toEqual([b.name])
      })

      test('are asked for by thousands', async () => {
        const { id } = await repository()
        const many = Array.from({ length: 12_000 }, (_, i) => digest(1_000_000 + i))
        await write((tx) => addRepositoryBlob(tx, id, many[11_999]!, 5, atMs))
        expect(await findRepositoryBlobs(db, id, many)).toEqual(new Map([[many[11_999] as string, 5]]))
        expect(await findTreeBlobs(db, 'stable', many)).toEqual(new Map())
        expect(await findManifests(db, many)).toEqual([])
        expect(await findChannelManifests(db, id, 'stable', many)).toEqual([])
        expect(await listReferences(db, many)).toEqual([])
        expect(await listReferrers(db, id, 'stable', many)).toEqual([])
      })
    })

    describe('manifests', () => {
      test('keep what they refer to, in order, once', async () => {
        const { id, name: of } = await repository()
        const image = manifest({
          config: descriptor(digest(201), 1),
          layers: [
            descriptor(digest(203), 3),
            descriptor(digest(202), 2, { urls: ['https://example.org/'] }),
            descriptor(digest(203), 3),
          ],
          annotations: { a: 'é\u0000' },
        })
        const index = manifest({
          kind: 'index',
          mediaType: mediaTypes.ociIndex,
          children: [descriptor(digest(210), 300)],
        })
        await write(async (tx) => {
          await addManifest(tx, digest(210), 300, image, { atMs })
          await addManifest(tx, digest(210), 300, image, { atMs })
          await addManifest(tx, digest(211), 400, index, { atMs, isSparse: true })
        })
        await append(id, [
          ...[210, 211].map((n) => ({ key: manifestKey(digest(n)), digest: digest(n) })),
          toTag(['t', digest(211)]),
        ])
        const references = await listReferences(db, [digest(211), digest(210)])
        expect(references.map((one) => [one.manifest, one.role, one.digest, one.sizeBytes, one.isForeign])).toEqual([
          [digest(210), 'config', digest(201), 1, false],
          [digest(210), 'layer', digest(203), 3, false],
          [digest(210), 'layer', digest(202), 2, true],
          [digest(210), 'layer', digest(203), 3, false],
          [digest(211), 'child', digest(210), 300, false],
        ])
        expect(await findManifest(db, of, 'stable', digest(210))).toEqual({
          digest: digest(210),
          mediaType: mediaTypes.ociManifest,
          sizeBytes: 300,
          artifactType: mediaTypes.ociConfig,
          subject: undefined,
          annotations: { a: 'é\u0000' },
        })
        expect(await findManifest(db, of, 'candidate', digest(210))).toBeUndefined()
        expect(await findTaggedManifest(db, of, 'stable', 't')).toHaveProperty('digest', digest(211))
        expect(await findTaggedManifest(db, of, 'stable', 'T')).toBeUndefined()
        expect(await findTaggedManifest(db, of, 'candidate', 't')).toBeUndefined()
        expect((await findManifests(db, [digest(211), digest(210)])).map((row) => row.digest)).toEqual([
          digest(210),
          digest(211),
        ])
        expect(await listTagsOfManifest(db, id, 'stable', digest(211))).toEqual(['t'])
        expect(await findManifestUsingBlob(db, id, digest(203))).toBe(digest(210))
        expect(await findManifestUsingBlob(db, id, digest(210))).toBeUndefined()
        expect(await findManifestUsingBlob(db, id + 1000, digest(203))).toBeUndefined()
      })

      test('of ten thousand layers are kept whole', async () => {
        const layers = Array.from({ length: 10_000 }, (_, i) => descriptor(digest(2_000_000 + i), i))
        await write((tx) => addManifest(tx, digest(220), 1, manifest({ layers }), { atMs }))
        const references = await listReferences(db, [digest(220)])
        expect(references.map((one) => one.digest)).toEqual(layers.map((one) => one.digest))
      })

      test('are found by their subject, in the channel that holds them, in order of digest', async () => {
        const { id } = await repository()
        const subject = descriptor(digest(230), 1)
        await write(async (tx) => {
          for (const n of [233, 231, 232]) await addManifest(tx, digest(n), 1, manifest({ subject }), { atMs })
        })
        await append(
          id,
          [233, 231].map((n) => ({ key: manifestKey(digest(n)), digest: digest(n) })),
        )
        const found = await listReferrers(db, id, 'stable', [digest(230)])
        expect(found.map((row) => row.digest)).toEqual([digest(231), digest(233)])
        expect(found[0]!.subject).toBe(digest(230))
        expect(await listReferrers(db, id, 'candidate', [digest(230)])).toEqual([])
      })
    })

    describe('the tag log', () => {
      test('counts a version for each change and none for the same state again', async () => {
        const { id } = await repository()
        expect(await findVersion(db, id, 'stable')).toBe(0)
        const first = await append(id, [toTag(['a', digest(1)]), toTag(['b', digest(1)])])
        expect(first).toEqual({
          version: 1,
          applied: [
            { key: 'a', digest: digest(1), previous: null },
            { key: 'b', digest: digest(1), previous: null },
          ],
        })
        expect(await append(id, [toTag(['a', digest(1)]), toTag(['none', null])])).toEqual({ version: 1, applied: [] })
        expect((await append(id, [toTag(['a', digest(2)]), toTag(['b', digest(1)])])).applied).toEqual([
          { key: 'a', digest: digest(2), previous: digest(1) },
        ])
        expect((await append(id, [toTag(['b', null])])).version).toBe(3)
        expect(await tagsOf(id)).toEqual({ a: digest(2) })
        expect(await findVersion(db, id, 'stable')).toBe(3)
        expect(await findVersion(db, id, 'candidate')).toBe(0)
        const log = await db
          .selectFrom('tag_log')
          .select(['version', 'key', 'digest', 'previous'])
          .where('repository_id', '=', id)
          .orderBy('version')
          .orderBy('key')
          .execute()
        expect(log).toEqual([
          { version: 1, key: 'a', digest: digest(1), previous: null },
          { version: 1, key: 'b', digest: digest(1), previous: null },
          { version: 2, key: 'a', digest: digest(2), previous: digest(1) },
          { version: 3, key: 'b', digest: null, previous: digest(1) },
        ])
      })

      test('takes a key that is named twice by its last meaning', async () => {
        const { id } = await repository()
        const { applied } = await append(id, [toTag(['a', digest(1)]), toTag(['a', digest(2)])])
        expect(applied).toEqual([{ key: 'a', digest: digest(2), previous: null }])
      })

      test('takes five thousand tags in one act', async () => {
        const { id } = await repository()
        const tags = Array.from({ length: 5000 }, (_, i) => `v${i}`)
        expect(
          (
            await append(
              id,
              tags.map((tag) => toTag([tag, digest(1)])),
            )
          ).version,
        ).toBe(1)
        expect((await listTags(db, id, 'stable', '', 10_000)).map((row) => row.tag)).toEqual([...tags].sort())
        expect(await changesAlong(db, id, 'stable', [0, 1])).toHaveLength(5000)
        await append(
          id,
          tags.map((tag) => toTag([tag, null])),
        )
        expect(await tagsOf(id)).toEqual({})
        expect(await changesBackTo(db, id, 'stable', 1)).toHaveLength(5000)
      })

      type State = ReadonlyMap<string, Digest>
      const apply = (state: State, changes: readonly Change[]): State => {
        const next = new Map(state)
        for (const change of changes) {
          if (change.digest === null) next.delete(change.key)
          else next.set(change.key, change.digest)
        }
        return next
      }
      const sorted = (state: State) => [...state].sort(([a], [b]) => (a < b ? -1 : 1))
      const onlyTags = (state: State): State => new Map([...state].filter(([key]) => !key.startsWith('@')))

      test('agrees with a list of whole states in every difference and every way back', async () => {
        const change = fc.oneof(
          fc.record({
            key: fc.constantFrom('t0', 't1', 't2', 't3'),
            digest: fc.option(fc.integer({ min: 0, max: 2 }).map(digest)),
          }),
          fc
            .record({ n: fc.integer({ min: 0, max: 3 }), isThere: fc.boolean() })
            .map(({ n, isThere }) => ({ key: manifestKey(digest(n)), digest: isThere ? digest(n) : null })),
        )
        const acts = fc.array(fc.array(change, { maxLength: 4 }), { maxLength: 8 })
        await fc.assert(
          fc.asyncProperty(acts, fc.nat(), async (acts, at) => {
            const { id } = await repository()
            const states: State[] = [new Map()]
            for (const changes of acts) {
              const next = apply(states.at(-1)!, changes)
              const isSame = JSON.stringify(sorted(next)) === JSON.stringify(sorted(states.at(-1)!))
              const { version } = await append(id, changes)
              if (!isSame) states.push(next)
              expect(version).toBe(states.length - 1)
            }
            const present = new Map(Object.entries(await tagsOf(id)))
            expect(sorted(present)).toEqual(sorted(onlyTags(states.at(-1)!)))
            for (let from = 0; from < states.length; from++) {
              for (let to = from; to < states.length; to++) {
                const between = await changesAlong(db, id, 'stable', [from, to])
                expect(sorted(apply(states[from]!, between))).toEqual(sorted(states[to]!))
                for (const one of between) expect(states[from]!.get(one.key) ?? null).not.toBe(one.digest)
                const steps = Array.from({ length: to - from + 1 }, (_, i) => from + i)
                const along = await changesAlong(db, id, 'stable', steps)
                // From any state of between on.
                for (const state of states.slice(from, to + 1))
                  expect(sorted(apply(state, along))).toEqual(sorted(states[to]!))
              }
            }
            const wanted = at % states.length
            await append(id, await changesBackTo(db, id, 'stable', wanted))
            expect(sorted(new Map(Object.entries(await tagsOf(id))))).toEqual(sorted(onlyTags(states[wanted]!)))
          }),
          { numRuns: 25 },
        )
      })

      test('loses and doubles no version when two connections append at once', async () => {
        const other = subject.canWriteAtOnce ? await place.open() : db
        const { id } = await repository()
        const writers = [db, other].flatMap((connection, writer) =>
          Array.from({ length: 20 }, (_, i) =>
            connection
              .transaction()
              .execute((tx) =>
                appendChanges(
                  tx,
                  { repositoryId: id, channel: 'stable' },
                  [toTag(['shared', digest(writer * 100 + i)]), toTag([`w${writer}-${i}`, digest(1)])],
                  { id: `${writer}-${i}`, atMs },
                ),
              ),
          ),
        )
        const versions = (await Promise.all(writers)).map((one) => one.version).sort((a, b) => a - b)
        expect(versions).toEqual(Array.from({ length: 40 }, (_, i) => i + 1))
        const log = await db
          .selectFrom('tag_log')
          .select(['version', 'digest', 'previous'])
          .where('repository_id', '=', id)
          .where('key', '=', 'shared')
          .orderBy('version')
          .execute()
        expect(log.map((row) => row.previous)).toEqual([null, ...log.slice(0, -1).map((row) => row.digest)])
        if (other !== db) await other.destroy()
      })
    })

    describe('events', () => {
      test('get one gapless order after their commit, in the order in which they were told', async () => {
        while ((await sequenceEvents(db)) > 0);
        const before = (await listEvents(db, 0, 10_000)).at(-1)?.sequence ?? 0
        await write(async (tx) => {
          for (let i = 0; i < 30; i++) {
            await emit(tx, { type: 'host.changed', subject: `e${i}`, data: { i, text: 'é' }, atMs })
          }
        })
        expect(await listEvents(db, before, 100)).toEqual([])
        expect(await sequenceEvents(db)).toBe(30)
        expect(await sequenceEvents(db)).toBe(0)
        const events = await listEvents(db, before, 100)
        expect(events.map((one) => one.sequence)).toEqual(Array.from({ length: 30 }, (_, i) => before + 1 + i))
        expect(events.map((one) => one.subject)).toEqual(Array.from({ length: 30 }, (_, i) => `e${i}`))
        expect(events[3]!.data).toEqual({ i: 3, text: 'é' })
        expect((await listEvents(db, before + 10, 5)).map((one) => one.sequence)).toEqual(
          Array.from({ length: 5 }, (_, i) => before + 11 + i),
        )
      })
    })

    describe('generations', () => {
      test('tell what changed, what was there and what is not published yet', async () => {
        const channel = 'gen'
        const [a, b] = [await repository(name('g/a')), await repository(name('g/b'))]
        const change = (id: number, n: number) => append(id, [toTag(['t', digest(n)])], 'x', channel)
        await change(a.id, 1)
        expect(await listUnpublished(db, channel)).toEqual([{ repositoryId: a.id, version: 1 }])
        const publish = (number: number) =>
          write(async (tx) => {
            const changed = await listUnpublished(tx, channel)
            const about = { actor: 'me', reason: 'why', summary: { fixed: true } }
            await addGeneration(tx, { channel, number, createdAtMs: atMs + number, ...about })
            await addGenerationRepositories(tx, channel, number, changed)
          })
        await publish(1)
        expect(await findLatestGeneration(db, channel, 'published')).toBeUndefined()
        expect(await findLatestGeneration(db, channel, 'rendering')).toMatchObject({
          number: 1,
          summary: { fixed: true },
        })
        await write((tx) => markPublished(tx, channel, 1, { a: 1 }, atMs + 5))
        await change(a.id, 2)
        await change(a.id, 3)
        await change(b.id, 1)
        await publish(2)
        await write((tx) => markPublished(tx, channel, 2, { b: 2 }, atMs + 6))
        expect(await listUnpublished(db, channel)).toEqual([])
        await change(b.id, 2)
        await publish(3)
        expect(await findGeneration(db, channel, 2)).toEqual({
          channel,
          number: 2,
          state: 'published',
          createdAtMs: atMs + 2,
          publishedAtMs: atMs + 6,
          actor: 'me',
          reason: 'why',
          summary: { b: 2 },
        })
        expect(await findGeneration(db, channel, 4)).toBeUndefined()
        expect((await listGenerations(db, channel, 2)).map((row) => row.number)).toEqual([3, 2])
        expect(await findLatestGeneration(db, channel, 'published')).toHaveProperty('number', 2)
        const spans = async (number: number) => await spansOf(number - 1, number)
        const spansOf = async (from: number, to: number, after = '', limit = 10) =>
          (await listChangedRepositories(db, channel, { from, to }, after, limit)).map((row) => [
            String(row.name),
            ...row.versions,
          ])
        expect(await spans(1)).toEqual([['g/a', 0, 1]])
        expect(await spans(2)).toEqual([
          ['g/a', 1, 3],
          ['g/b', 0, 1],
        ])
        expect(await spans(3)).toEqual([['g/b', 1, 2]])
        expect(await spansOf(0, 3)).toEqual([
          ['g/a', 0, 1, 3],
          ['g/b', 0, 1, 2],
        ])
        expect(await spansOf(1, 3)).toEqual([
          ['g/a', 1, 3],
          ['g/b', 0, 1, 2],
        ])
        expect(await spansOf(1, 3, '', 1)).toEqual([['g/a', 1, 3]])
        expect(await spansOf(1, 3, 'g/a', 1)).toEqual([['g/b', 0, 1, 2]])
        const at = async (number: number, after = '', limit = 10) =>
          (await listRepositoriesAt(db, channel, number, after, limit)).map((row) => [String(row.name), row.version])
        expect(await at(1)).toEqual([['g/a', 1]])
        expect(await at(2)).toEqual([
          ['g/a', 3],
          ['g/b', 1],
        ])
        expect(await at(3, 'g/a', 1)).toEqual([['g/b', 2]])
      })

      test('name the blobs of the tree and when they came', async () => {
        const channel = 'tree'
        const blobs = Array.from({ length: 2500 }, (_, i) => ({
          digest: digest(3_000_000 + i),
          sizeBytes: i,
          generation: i < 2000 ? 1 : 2,
        }))
        await write((tx) => addTreeBlobs(tx, channel, blobs))
        expect(await listTreeBlobs(db, channel, '', 10_000)).toEqual(blobs)
        expect(await listTreeBlobs(db, channel, blobs[2490]!.digest, 3)).toEqual(blobs.slice(2491, 2494))
        expect(await listNewTreeBlobs(db, channel, 1)).toEqual(blobs.slice(2000))
        expect(await listNewTreeBlobs(db, channel, 2)).toEqual([])
        expect(await findTreeBlobs(db, channel, [blobs[0]!.digest, blobs[2400]!.digest, digest(1)])).toEqual(
          new Map([
            [blobs[0]!.digest as string, 1],
            [blobs[2400]!.digest, 2],
          ]),
        )
        await expect(write((tx) => addTreeBlobs(tx, channel, blobs.slice(0, 1)))).rejects.toThrow()
      })
    })

    describe('idempotency keys', () => {
      test('give the same answer to the same request, and away what is old', async () => {
        const keep = (request: string, at: number) => write((tx) => keepAnswer(tx, 'key', request, { a: [1] }, at))
        expect(await findAnswer(db, 'key', 'r1')).toBeUndefined()
        expect(await keep('r1', atMs)).toBe(true)
        expect(await keep('r2', atMs + 9)).toBe(false)
        expect(await findAnswer(db, 'key', 'r1')).toEqual({ isSame: true, response: { a: [1] } })
        expect(await findAnswer(db, 'key', 'r2')).toEqual({ isSame: false, response: { a: [1] } })
        await write((tx) => forgetAnswers(tx, atMs))
        expect(await findAnswer(db, 'key', 'r1')).toBeDefined()
        await write((tx) => forgetAnswers(tx, atMs + 1))
        expect(await findAnswer(db, 'key', 'r1')).toBeUndefined()
      })
    })

    describe('tokens', () => {
      test('are kept by name and revoked once', async () => {
        const secretHash = Uint8Array.from({ length: 32 }, (_, i) => i * 8)
        const token = { name: 'robot', secretHash, grants: ['repository:a:pull'], createdBy: 'me', createdAtMs: atMs }
        const added = await addToken(db, { ...token, expiresAtMs: undefined })
        expect(added).toBeDefined()
        expect(await addToken(db, { ...token, expiresAtMs: atMs })).toBeUndefined()
        const found = await findToken(db, { name: 'robot' })
        expect(found).toEqual(added!)
        expect(new Uint8Array(found!.secretHash)).toEqual(secretHash)
        expect(await findToken(db, { id: added!.id })).toEqual(added!)
        expect(await findToken(db, { id: 'never' })).toBeUndefined()
        await addToken(db, { ...token, name: 'Another', expiresAtMs: atMs })
        expect((await listTokens(db)).map((row) => [row.name, row.expiresAtMs])).toEqual([
          ['Another', atMs],
          ['robot', undefined],
        ])
        expect(await revokeToken(db, 'robot', atMs + 1)).toBe(true)
        expect(await revokeToken(db, 'robot', atMs + 2)).toBe(false)
        expect(await revokeToken(db, 'never', atMs)).toBe(false)
        expect((await findToken(db, { name: 'robot' }))!.revokedAtMs).toBe(atMs + 1)
      })
    })
  })
}
