import { afterAll, beforeEach, describe, expect, test } from 'bun:test'
import { mkdtemp, rm, truncate, unlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { digestOf } from '#blobs/hashing.ts'
import { listTags } from '#catalogue/channels.ts'
import { findRepositoryId } from '#catalogue/repositories.ts'
import { blobPath, type Digest, hexOf } from '#oci/digest.ts'
import type { RepositoryName, Tag } from '#oci/name.ts'
import { largeLayer, openReleaseLine, type ReleaseLine } from '../../../test/kit/release-line.ts'

const folder = await mkdtemp(join(tmpdir(), 'promote-'))
let line: ReleaseLine
let count = 0
const opened: ReleaseLine[] = []
beforeEach(async () => {
  line = await openReleaseLine(join(folder, `${++count}`))
  opened.push(line)
})
afterAll(async () => {
  for (const one of opened) await one[Symbol.asyncDispose]()
  await rm(folder, { recursive: true, force: true })
})

const encoder = new TextEncoder()
const tags = (...names: string[]) => names as Tag[]

async function tagsOf(repository: string, channel = 'stable'): Promise<Record<string, Digest>> {
  const id = await findRepositoryId(line.catalogue, repository as RepositoryName)
  if (id === undefined) return {}
  return Object.fromEntries((await listTags(line.catalogue, id, channel, '', 1000)).map((row) => [row.tag, row.digest]))
}

async function manifestsOf(repository: string, channel = 'stable'): Promise<string[]> {
  const rows = await line.catalogue
    .selectFrom('channel_manifests')
    .innerJoin('repositories', 'repositories.id', 'repository_id')
    .select('digest')
    .where('name', '=', repository)
    .where('channel', '=', channel)
    .orderBy('digest')
    .execute()
  return rows.map((row) => row.digest)
}

/** Every row of every table: what a dry run or a refusal must leave as it was. */
async function dump(): Promise<Record<string, unknown[]>> {
  const all: Record<string, unknown[]> = {}
  for (const { name } of await line.catalogue.introspection.getTables()) {
    all[name] = await line.catalogue
      .selectFrom(name as 'tags')
      .selectAll()
      .execute()
  }
  return all
}

describe('a promotion', () => {
  test('moves a tag and what it names, and queues one publication for all within the delay', async () => {
    const digest = await line.push('fedora', { tags: ['42'] })
    const result = await line.promote(['fedora:42'], { reason: 'tested' })
    expect(result).toMatchObject({
      channel: 'stable',
      isDryRun: false,
      repositories: [
        { repository: 'fedora', version: 1, manifestsAdded: 1, tags: [{ tag: '42', from: null, to: digest }] },
      ],
    })
    expect(await tagsOf('fedora')).toEqual({ '42': digest })
    await line.push('other', { tags: ['1'] })
    expect((await line.promote(['other:1'])).publication).toBe(result.publication)
    const jobs = await line.catalogue.selectFrom('jobs').select(['id', 'kind', 'payload', 'run_at_ms']).execute()
    expect(jobs).toHaveLength(1)
    const act = await line.catalogue.selectFrom('acts').selectAll().where('id', '=', result.id).executeTakeFirst()
    expect(act).toMatchObject({ kind: 'promote', actor: 'engineer', reason: 'tested', source: 'candidate' })
    expect(jobs[0]!.run_at_ms).toBe(act!.at_ms + 300_000)
    const events = await line.catalogue
      .selectFrom('events')
      .select('subject')
      .where('type', '=', 'promotion.applied')
      .execute()
    expect(events).toHaveLength(2)
  })

  test('into a channel that is not public publishes nothing; from there it goes on', async () => {
    const digest = await line.push('fedora', { tags: ['42'] })
    expect((await line.promote(['fedora:42'], { to: 'testing' })).publication).toBeUndefined()
    expect(await line.catalogue.selectFrom('jobs').selectAll().execute()).toEqual([])
    await line.push('fedora', { tags: ['42'], note: 'newer' })
    await line.promote(['fedora:42'], { from: 'testing' })
    expect(await tagsOf('fedora')).toEqual({ '42': digest })
  })

  test('resolves a tag once: what is pushed under it later does not come along', async () => {
    const old = await line.push('a', { tags: ['t'] })
    await line.promote(['a:t'])
    const newer = await line.push('a', { tags: ['t'], note: 'newer' })
    expect(await tagsOf('a')).toEqual({ t: old })
    expect(await manifestsOf('a')).toEqual([old])
    await line.promote(['a:t'])
    expect(await tagsOf('a')).toEqual({ t: newer })
  })

  test('by digest takes no tag, unless one is asked for', async () => {
    const digest = await line.push('a', { tags: ['candidate-tag'] })
    await line.promote([`a@${digest}`])
    expect(await tagsOf('a')).toEqual({})
    expect(await manifestsOf('a')).toEqual([digest])
    await line.promote([`a@${digest}`], { tags: tags('latest', '42') })
    expect(await tagsOf('a')).toEqual({ latest: digest, '42': digest })
  })

  test('of what is there already changes nothing and says so', async () => {
    await line.push('a', { tags: ['t'] })
    await line.promote(['a:t'])
    const before = await dump()
    const again = await line.promote(['a:t'])
    expect(again).toMatchObject({ publication: undefined, repositories: [{ version: 1, tags: [], manifestsAdded: 0 }] })
    expect(await dump()).toEqual(before)
  })

  test('takes along children, referrers of all of them and their referrers, fallback tags and cosign tags', async () => {
    const amd = await line.push('a', { note: 'amd' })
    const arm = await line.push('a', { note: 'arm' })
    const index = await line.pushIndex('a', [amd, arm], { tags: ['t'] })
    const sbom = await line.push('a', { note: 'sbom', subject: amd })
    const signature = await line.push('a', { note: 'signature of the sbom', subject: sbom })
    const cosign = await line.push('a', { note: 'cosign', tags: [`sha256-${hexOf(index)}.sig`] })
    const attestation = await line.push('a', { note: 'attestation', tags: [`sha256-${hexOf(arm)}.att`] })
    const listed = await line.push('a', { note: 'listed' })
    const fallback = await line.pushIndex('a', [listed], { tags: [`sha256-${hexOf(arm)}`] })
    await line.push('a', { note: 'stranger', tags: ['stranger', `sha256-${'0'.repeat(64)}.sig`] })
    await line.promote(['a:t'])
    const all = [index, amd, arm, sbom, signature, cosign, attestation, listed, fallback]
    expect(await manifestsOf('a')).toEqual([...all].sort())
    expect(await tagsOf('a')).toEqual({
      t: index,
      [`sha256-${hexOf(index)}.sig`]: cosign,
      [`sha256-${hexOf(arm)}.att`]: attestation,
      [`sha256-${hexOf(arm)}`]: fallback,
    })
  })

  test('may name a companion tag beside what it accompanies', async () => {
    const image = await line.push('a', { tags: ['t'] })
    const signature = `sha256-${hexOf(image)}.sig`
    const digest = await line.push('a', { note: 'cosign', tags: [signature] })
    await line.promote(['a:t', `a:${signature}`])
    expect(await tagsOf('a')).toEqual({ t: image, [signature]: digest })
  })

  test('of several repositories is one act, all or nothing', async () => {
    for (const repository of ['a', 'b', 'c']) await line.push(repository, { tags: ['t'] })
    const whole = await line.promote(['b:t', 'a:t'])
    expect(whole.repositories.map((one) => String(one.repository)).sort()).toEqual(['a', 'b'])
    await line.push('a', { tags: ['t'], note: 'newer' })
    const before = await dump()
    await expect(line.promote(['a:t', 'c:t', 'c:absent', 'never:t'])).rejects.toThrow(
      'c:absent is not in candidate; never:t is not in candidate',
    )
    expect(await dump()).toEqual(before)
  })

  test('fails whole when the last write of it fails', async () => {
    for (const repository of ['a', 'b']) await line.push(repository, { tags: ['t'] })
    // The event is the last row of the act.
    await line.catalogue.schema.alterTable('events').renameTo('events_gone').execute()
    const before = await dump()
    await expect(line.promote(['a:t', 'b:t'])).rejects.toThrow('events')
    expect(await dump()).toEqual(before)
  })

  test('is refused with all its reasons at once', async () => {
    const layer = (text: string) => largeLayer(text)
    const digest = (text: string) => digestOf(layer(text))
    const first = await line.push('a', { note: 'first', layers: [layer('no row'), layer('damaged')] })
    const second = await line.push('a', {
      note: 'second',
      layers: [
        { bytes: encoder.encode(layer('elsewhere')), urls: ['https://example.org/l'], isAbsent: true },
        layer('gone'),
      ],
    })
    const third = await line.push('a', { note: 'third' })
    await line.pushIndex('a', [first, second, third], { tags: ['t'] })
    const inStore = (of: Digest) => join(line.folder, 'store', blobPath(of))
    await line.catalogue.deleteFrom('repository_blobs').where('digest', '=', digest('no row')).execute()
    await truncate(inStore(digest('damaged')), 5)
    await unlink(inStore(digest('gone')))
    await truncate(inStore(first), 7)
    await line.catalogue.deleteFrom('channel_manifests').where('digest', '=', third).execute()
    const before = await dump()
    const message: string = await line.promote(['a:t']).then(
      () => 'promoted',
      (error) => error.message,
    )
    for (const reason of [
      `manifest ${third}, a part of`,
      `blob ${digest('no row')} of ${first} is missing; push it again`,
      `the bytes of ${digest('damaged')} are damaged; push it again`,
      `the bytes of ${digest('gone')} are gone; push it again`,
      `the bytes of ${first} are damaged; push it again`,
      `layer ${digest('elsewhere')} of ${second} lives elsewhere`,
    ]) {
      expect(message).toContain(reason)
    }
    expect(message.split('; ').length).toBeGreaterThanOrEqual(6)
    expect(await dump()).toEqual(before)
  })

  test('allows layers that live elsewhere where the channel does', async () => {
    await using allowing = await openReleaseLine(join(folder, 'allowing'), { foreignLayerChannels: ['stable'] })
    const bytes = encoder.encode(largeLayer('elsewhere'))
    await allowing.push('a', { tags: ['t'], layers: [{ bytes, urls: ['https://example.org/'], isAbsent: true }] })
    expect(await allowing.promote(['a:t'])).toMatchObject({ repositories: [{ version: 1 }] })
    await expect(allowing.promote(['a:t'], { to: 'testing' })).rejects.toThrow('lives elsewhere')
  })

  test('needs a blob that one manifest calls foreign and another one does not', async () => {
    const bytes = encoder.encode(largeLayer('both'))
    const own = await line.push('a', { note: 'own', layers: [{ bytes }] })
    const foreign = await line.push('a', { note: 'foreign', layers: [{ bytes, urls: ['https://example.org/'] }] })
    await line.catalogue.deleteFrom('repository_blobs').where('digest', '=', digestOf(bytes)).execute()
    for (const order of [
      [own, foreign],
      [foreign, own],
    ]) {
      await line.pushIndex('a', order, { tags: ['t'] })
      await expect(line.promote(['a:t'])).rejects.toThrow(`blob ${digestOf(bytes)} of ${own} is missing`)
    }
  })

  test.each([
    ['no repository', [], {}, 'name at least one repository'],
    ['an unknown target', ['a:t'], { to: 'prod' }, 'there is no channel "prod": use candidate, testing, stable'],
    ['an unknown source', ['a:t'], { from: 'x' }, 'there is no channel "x"'],
    ['the same channel twice', ['a:t'], { from: 'stable' }, 'from and to are both stable'],
    ['the channel of pushes', ['a:t'], { from: 'testing', to: 'candidate' }, 'push there, promote from there'],
    ['one tag for two manifests', ['a:t', 'a:u'], { tags: tags('x') }, 'tag x cannot point to both'],
  ])('is refused for %s', async (_, references, more, reason) => {
    await line.push('a', { tags: ['t'] })
    await line.push('a', { tags: ['u'], note: 'u' })
    const before = await dump()
    await expect(line.promote(references, more)).rejects.toThrow(reason)
    expect(await dump()).toEqual(before)
  })
})

describe('an idempotency key', () => {
  test('gives the same request the same answer, and refuses another request', async () => {
    await line.push('a', { tags: ['t'] })
    const first = await line.promote(['a:t'], { idempotencyKey: 'k' })
    await line.push('a', { tags: ['t'], note: 'newer' })
    const before = await dump()
    expect(await line.promote(['a:t'], { idempotencyKey: 'k' })).toEqual(JSON.parse(JSON.stringify(first)))
    await expect(line.promote(['a:t'], { idempotencyKey: 'k', tags: tags('x') })).rejects.toThrow(
      'this idempotency key was used for another request',
    )
    expect(await dump()).toEqual(before)
  })

  test('sent twice at once is one promotion', async () => {
    await line.push('a', { tags: ['t'] })
    const both = await Promise.all([1, 2, 3].map(() => line.promote(['a:t'], { idempotencyKey: 'k' })))
    expect(new Set(both.map((one) => one.id)).size).toBe(1)
    expect(await line.catalogue.selectFrom('acts').select('id').where('kind', '=', 'promote').execute()).toHaveLength(1)
  })

  test('of a rollback goes back once, and is no key of a promotion', async () => {
    for (const note of ['1', '2', '3']) {
      await line.push('a', { tags: ['t'], note })
      await line.promote(['a:t'])
    }
    const first = await line.rollback(['a'], { idempotencyKey: 'k' })
    expect(await line.rollback(['a'], { idempotencyKey: 'k' })).toEqual(JSON.parse(JSON.stringify(first)))
    await expect(line.promote(['a:t'], { idempotencyKey: 'k' })).rejects.toThrow('used for another request')
  })

  test('of a refused promotion is still free', async () => {
    await expect(line.promote(['a:t'], { idempotencyKey: 'k' })).rejects.toThrow()
    await line.push('a', { tags: ['t'] })
    expect(await line.promote(['a:t'], { idempotencyKey: 'k' })).toMatchObject({ repositories: [{ version: 1 }] })
  })

  test('is neither used nor heeded by a dry run', async () => {
    await line.push('a', { tags: ['t'] })
    await line.promote(['a:t'], { idempotencyKey: 'k', isDryRun: true })
    const real = await line.promote(['a:t'], { idempotencyKey: 'k' })
    expect(real).toMatchObject({ isDryRun: false, repositories: [{ version: 1 }] })
    expect(await line.promote(['a:t'], { idempotencyKey: 'k', isDryRun: true })).toMatchObject({ isDryRun: true })
  })
})

test('a dry run tells what would happen and leaves no row', async () => {
  const digest = await line.push('a', { tags: ['t'] })
  const before = await dump()
  const told = await line.promote(['a:t'], { isDryRun: true })
  expect(told).toMatchObject({
    isDryRun: true,
    publication: undefined,
    repositories: [{ repository: 'a', version: 1, manifestsAdded: 1, tags: [{ tag: 't', from: null, to: digest }] }],
  })
  expect(await dump()).toEqual(before)
  await line.promote(['a:t'])
  const after = await dump()
  expect(await line.rollback(['a', 0], { isDryRun: true })).toMatchObject({ repositories: [{ version: 2 }] })
  expect(await dump()).toEqual(after)
})

describe('a rollback', () => {
  const promoteNote = async (note: string, tag = 't') => {
    const digest = await line.push('a', { tags: [tag], note })
    await line.promote([`a:${tag}`])
    return digest
  }

  test('of a repository goes to the version before, or to any, as a new version, at once', async () => {
    const [one, two] = [await promoteNote('one'), await promoteNote('two')]
    const three = await promoteNote('three', 'u')
    const result = await line.rollback(['a'])
    expect(result.repositories).toMatchObject([{ version: 4, tags: [{ tag: 'u', from: three, to: null }] }])
    expect(await tagsOf('a')).toEqual({ t: two })
    await line.rollback(['a', 1])
    expect(await tagsOf('a')).toEqual({ t: one })
    await line.rollback(['a', 3])
    expect(await tagsOf('a')).toEqual({ t: two, u: three })
    await line.rollback(['a', 0])
    expect(await tagsOf('a')).toEqual({})
    await line.rollback(['a'])
    expect(await tagsOf('a')).toEqual({ t: two, u: three })
    const job = await line.catalogue.selectFrom('jobs').select('run_at_ms').executeTakeFirstOrThrow()
    const act = await line.catalogue.selectFrom('acts').selectAll().where('id', '=', result.id).executeTakeFirst()
    expect(act).toMatchObject({ kind: 'rollback', reason: 'it broke', source: 'version before' })
    expect(job.run_at_ms).toBe(act!.at_ms)
  })

  test('of a generation takes every repository back, and the tags of those born later away', async () => {
    const old = await promoteNote('one')
    await line.push('b', { tags: ['t'] })
    await line.promote(['b:t'])
    await line.publish()
    await promoteNote('two')
    await line.push('late', { tags: ['x', 'y'] })
    await line.promote(['late:x', 'late:y'])
    await line.publish()
    const before = await tagsOf('b')
    const result = await line.rollback(1)
    expect(result.repositories.map((one) => String(one.repository)).sort()).toEqual(['a', 'late'])
    expect(await tagsOf('a')).toEqual({ t: old })
    expect(await tagsOf('late')).toEqual({})
    expect(await tagsOf('b')).toEqual(before)
    expect((await line.publish()).generation).toBe(3)
    await line.rollback(2)
    expect(Object.keys(await tagsOf('late'))).toEqual(['x', 'y'])
    expect((await line.publish()).generation).toBe(4)
  })

  test('to where it stands changes nothing', async () => {
    await promoteNote('one')
    await line.publish()
    const before = await dump()
    expect((await line.rollback(1)).repositories).toEqual([])
    expect((await line.rollback(['a', 1])).repositories).toMatchObject([{ version: 1, tags: [] }])
    expect(await dump()).toEqual(before)
  })

  test('is refused when a manifest of that version is gone', async () => {
    const one = await promoteNote('one')
    await promoteNote('two')
    await line.catalogue
      .deleteFrom('channel_manifests')
      .where('digest', '=', one)
      .where('channel', '=', 'stable')
      .execute()
    const before = await dump()
    await expect(line.rollback(['a', 1])).rejects.toThrow(`manifest ${one} of that version is no longer in stable`)
    expect(await dump()).toEqual(before)
  })

  test.each([
    ['an unknown repository', ['never'] as const, 'never was never in stable'],
    ['a version that is not yet', ['a', 2] as const, 'a has versions 0 to 1 in stable, not 2'],
    ['a generation that is not yet', 7, 'stable has no published generation 7'],
  ])('is refused for %s', async (_, to, reason) => {
    await promoteNote('one')
    await expect(line.rollback(to)).rejects.toThrow(reason)
  })

  test('does not undo a promotion that came while it was planned', async () => {
    await promoteNote('one')
    await promoteNote('two')
    await line.push('a', { tags: ['t'], note: 'three' })
    // Both plan before either writes; whoever writes second finds the ground moved, or the other's act is whole before it.
    const [promoted, back] = await Promise.allSettled([line.promote(['a:t']), line.rollback(['a', 1])])
    expect(promoted.status).toBe('fulfilled')
    if (back.status === 'rejected') expect(String(back.reason)).toContain('changed in stable meanwhile; try again')
    const log = await line.catalogue
      .selectFrom('tag_log')
      .select(['version', 'digest', 'previous'])
      .where('channel', '=', 'stable')
      .where('key', '=', 't')
      .orderBy('version')
      .execute()
    expect(log.map((row) => row.previous)).toEqual([null, ...log.slice(0, -1).map((row) => row.digest)])
  })
})
