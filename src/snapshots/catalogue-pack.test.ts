import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { createHash } from 'node:crypto'
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Digest, makeDigest } from '#oci/digest.ts'
import { mediaTypes } from '#oci/media-type.ts'
import type { RepositoryName, Tag } from '#oci/name.ts'
import { applyPack } from './apply-pack.ts'
import { type PackHeader, type PackManifest, type PackRepository, writePack } from './catalogue-pack.ts'
import { PackRefused } from './pack-record.ts'
import { readPack, readPackDefaults } from './read-pack.ts'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pack-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

const contents = new Map<Digest, Uint8Array<ArrayBuffer>>()
function keep(content: string, algorithm: 'sha256' | 'sha512' = 'sha256'): { digest: Digest; sizeBytes: number } {
  const bytes = new TextEncoder().encode(content)
  const digest = makeDigest(algorithm, createHash(algorithm).update(bytes).digest('hex'))
  contents.set(digest, bytes)
  return { digest, sizeBytes: bytes.length }
}
async function* openBytes(digest: Digest): AsyncGenerator<Uint8Array> {
  const bytes = contents.get(digest)!
  yield bytes.subarray(0, 3)
  yield bytes.subarray(3)
}
const manifest = (content: string, more: Partial<PackManifest> = {}): PackManifest => ({
  ...keep(content),
  mediaType: mediaTypes.ociManifest,
  ...more,
})
const header = (more: Partial<PackHeader> = {}): PackHeader => ({
  channel: 'stable',
  from: 0,
  to: 1,
  createdAtMs: 1_700_000_000_000,
  smallBlobBytes: 16,
  ...more,
})
const name = (text: string) => text as RepositoryName
const tag = (text: string) => text as Tag
let count = 0
const write = (about: PackHeader, repositories: readonly PackRepository[]) =>
  writePack(join(folder, `${count++}.pack`), about, repositories, openBytes)

const one = manifest('{"one":1}')
const two = manifest('{"two":2}', { subject: one.digest, artifactType: 'application/x.sbom', annotations: { b: 'é' } })
const small = { ...keep('small', 'sha512'), generation: 1 }
const large = { ...keep('a layer of sixteen bytes and more'), generation: 1 }
const empty = { ...keep(''), generation: 1 }
const first: PackRepository = {
  name: name('fedora/base'),
  tagsSet: [
    [tag('latest'), one.digest],
    [tag('43'), one.digest],
  ],
  manifestsAdded: [one, two],
  blobsAdded: [small, large, empty],
}
const second: PackRepository = { name: name('another'), tagsSet: [[tag('x'), one.digest]], manifestsAdded: [one] }

async function firstPublication() {
  const written = await write(header(), [first, second])
  return await applyPack(undefined, await readPack(written.path))
}

describe('a whole pack', () => {
  test('comes back as it was written, the same bytes kept once', async () => {
    const written = await write(header(), [first, second])
    const file = await readFile(written.path)
    expect(written.digest).toBe(makeDigest('sha256', createHash('sha256').update(file).digest('hex')))
    expect(written.sizeBytes).toBe(file.length)
    expect(file.toString().split('{"one":1}').length).toBe(2)
    expect(file.toString()).not.toContain('a layer of')
    expect((await stat(written.path)).mode & 0o777).toBe(0o644)

    const publication = await applyPack(undefined, await readPack(written.path))
    expect(publication.generation).toBe(1)
    expect([...publication.repositories.keys()]).toEqual(['another', 'fedora/base'])
    const base = publication.repositories.get('fedora/base')!
    expect([...base.tags]).toEqual([
      ['43', one.digest],
      ['latest', one.digest],
    ])
    expect(base.referrers.get(one.digest)!.map((referrer) => referrer.digest)).toEqual([two.digest])
    expect(base.manifests.get(two.digest)).toMatchObject({
      artifactType: 'application/x.sbom',
      annotations: { b: 'é' },
    })
    expect(base.blobs.get(large.digest)!.small).toBeUndefined()
    for (const { bytes, digest } of [
      { bytes: base.manifests.get(two.digest)!.bytes, digest: two.digest },
      { bytes: base.blobs.get(small.digest)!.small!, digest: small.digest },
      { bytes: publication.repositories.get('another')!.manifests.get(one.digest)!.bytes, digest: one.digest },
    ]) {
      expect(new Uint8Array(file.subarray(bytes.offset, bytes.offset + bytes.sizeBytes))).toEqual(contents.get(digest)!)
    }
  })

  test('tells a large config from a layer, and an older pack tells of none', async () => {
    const config = { ...keep('a config of sixteen bytes and more'), generation: 1, isConfig: true }
    const written = await write(header(), [{ ...first, blobsAdded: [{ ...small, isConfig: true }, large, config] }])
    expect((await readFile(written.path)).toString().split('isConfig').length).toBe(2)
    const { blobs } = (await applyPack(undefined, await readPack(written.path))).repositories.get('fedora/base')!
    expect([small, large, config].map(({ digest }) => blobs.get(digest)!.isConfig)).toEqual([false, false, true])
  })

  test('may hold nothing', async () => {
    const written = await write(header(), [])
    expect((await applyPack(undefined, await readPack(written.path))).repositories.size).toBe(0)
  })

  test('is not left half-written when an item turns out wrong', async () => {
    const path = join(folder, 'wrong.pack')
    const lie = { ...one, sizeBytes: one.sizeBytes + 1 }
    await expect(writePack(path, header(), [{ name: name('a'), manifestsAdded: [lie] }], openBytes)).rejects.toThrow()
    expect((await readdir(folder)).filter((entry) => entry.startsWith('wrong'))).toEqual([])
  })

  test('longer than one read of the index', async () => {
    const tags = Array.from({ length: 40_000 }, (_, i) => [tag(`t${i}`), one.digest] as const)
    const written = await write(header(), [{ ...second, tagsSet: tags }, first])
    const publication = await applyPack(undefined, await readPack(written.path))
    expect(publication.repositories.get('another')!.tags.size).toBe(40_000)
    await expect(readPack(written.path, { verifyPayload: true, maxIndexBytes: 100_000 })).rejects.toThrow(PackRefused)
  })
})

describe('a delta', () => {
  test('changes what it names and shares the rest', async () => {
    const base = await firstPublication()
    const three = manifest('{"three":3}')
    const written = await write(header({ from: 1, to: 2 }), [
      {
        name: name('fedora/base'),
        tagsSet: [[tag('44'), three.digest]],
        tagsRemoved: [tag('43')],
        manifestsAdded: [three],
        manifestsRemoved: [two.digest],
        blobsRemoved: [small.digest],
      },
      { name: name('zeta'), manifestsAdded: [three] },
    ])
    const next = await applyPack(base, await readPack(written.path))
    expect(next.repositories.get('another')).toBe(base.repositories.get('another')!)
    const changed = next.repositories.get('fedora/base')!
    expect([...changed.tags.keys()]).toEqual(['44', 'latest'])
    expect(changed.referrers.size).toBe(0)
    expect(changed.blobs.has(small.digest)).toBe(false)
    expect(base.repositories.get('fedora/base')!.tags.has('43')).toBe(true)

    const gone = await write(header({ from: 2, to: 3 }), [{ name: name('zeta'), isRemoved: true }])
    expect([...(await applyPack(next, await readPack(gone.path))).repositories.keys()]).toEqual([
      'another',
      'fedora/base',
    ])
  })

  test('that begins before what is held sets what is there and removes what is not', async () => {
    const base = await firstPublication()
    const forward = await write(header({ from: 1, to: 3 }), [{ name: name('zeta'), manifestsAdded: [one] }, second])
    const held = await applyPack(base, await readPack(forward.path))
    const span: PackRepository[] = [
      { ...second, tagsRemoved: [tag('no')], manifestsRemoved: [two.digest], blobsRemoved: [large.digest] },
      { name: name('never-seen'), isRemoved: true },
      { name: name('zeta'), tagsSet: [[tag('a'), one.digest]], manifestsAdded: [one] },
    ]
    const written = await write(header({ from: 2, to: 7 }), span)
    const next = await applyPack(held, await readPack(written.path))
    expect(next.generation).toBe(7)
    expect([...next.repositories.keys()]).toEqual(['another', 'fedora/base', 'zeta'])
    expect([...next.repositories.get('another')!.tags]).toEqual([['x', one.digest]])
    expect([...next.repositories.get('zeta')!.tags]).toEqual([['a', one.digest]])
    const again = { path: written.path, header: header({ from: 2, to: 7 }), repositories: [] }
    await expect(applyPack(next, again)).rejects.toThrow('does not fit on 7')
  })

  test.each<[string, PackHeader, PackRepository]>([
    ['of another base', header({ from: 2, to: 3 }), second],
    ['of another channel', header({ from: 1, to: 2, channel: 'testing' }), second],
    ['that is whole', header({ to: 2 }), second],
    ['that leads to what is held', header({ from: 0, to: 1 }), second],
    [
      'that removes a manifest under a tag',
      header({ from: 1, to: 2 }),
      { name: name('another'), manifestsRemoved: [one.digest] },
    ],
    ['with a tag on nothing', header({ from: 1, to: 2 }), { name: name('new'), tagsSet: [[tag('a'), one.digest]] }],
  ])('%s is refused', async (_, about, repository) => {
    const base = await firstPublication()
    const pack = await readPack((await write(about, [repository])).path)
    await expect(applyPack(base, pack)).rejects.toThrow(PackRefused)
  })
})

const hex = (character: string) => `sha256:${character.repeat(64)}`
const head = '{"channel":"s","from":0,"to":1,"createdAtMs":0,"smallBlobBytes":16}'
const index = (lines: string[], payload = '', about = head) =>
  `FLOTILLA-PACK 1\n${about}\n${lines.map((line) => `${line}\n`).join('')}\n${payload}`
const end = (repositories: number, payloadBytes = 0) => JSON.stringify({ repositories, payloadBytes })
const mf = (more: object) =>
  JSON.stringify({
    name: 'a',
    manifestsAdded: [{ digest: one.digest, mediaType: one.mediaType, sizeBytes: 9, offset: 0, ...more }],
  })
const text = '{"one":1}'

test.each<[string, string]>([
  ['an empty file', ''],
  ['a file without an end', 'FLOTILLA-PACK 1\n'],
  ['another format', index([end(0)]).replace('PACK 1', 'PACK 2')],
  ['no trailer', index([])],
  ['a trailer that miscounts', index([end(1)])],
  ['a line after the trailer', index([end(0), '{"name":"a"}'])],
  ['no JSON', index(['{', end(1)])],
  ['JSON nested deep', index(['['.repeat(100_000), end(1)])],
  ['a list for a record', index(['[]', end(1)])],
  ['bytes that are no UTF-8', 'latin'],
  ['a generation that goes back', index([end(0)], '', head.replace('"from":0', '"from":1'))],
  ['a negative generation', index([end(0)], '', head.replace('"from":0', '"from":-1'))],
  ['a fraction', index([end(0)], '', head.replace('"to":1', '"to":1.5'))],
  ['a bad name', index(['{"name":"../a"}', end(1)])],
  ['a name twice', index(['{"name":"a"}', '{"name":"a"}', end(2)])],
  ['a removed repository that is changed', index(['{"name":"a","isRemoved":true,"tagsRemoved":[]}', end(1)])],
  ['a bad tag', index([`{"name":"a","tagsSet":[["-","${hex('0')}"]]}`, end(1)])],
  ['a tag twice', index([`{"name":"a","tagsSet":[["x","${hex('0')}"],["x","${hex('1')}"]]}`, end(1)])],
  ['a removed tag twice', index(['{"name":"a","tagsRemoved":["x","x"]}', end(1)])],
  ['a bad digest', index(['{"name":"a","blobsRemoved":["sha256:0"]}', end(1)])],
  ['a bad media type', index([mf({ mediaType: 'text/html\r\nx: y' }), end(1, 9)], text)],
  ['a negative size', index([mf({ sizeBytes: -1 }), end(1, 9)], text)],
  ['an offset past the end', index([mf({ offset: 1 }), end(1, 9)], text)],
  ['a size past the end', index([mf({ sizeBytes: 1e15 }), end(1, 9)], text)],
  ['an annotation that is no text', index([mf({ annotations: { a: 1 } }), end(1, 9)], text)],
  ['payload that nothing names', index([mf({}), end(1, 10)], `${text}x`)],
  ['bytes after the payload', index([mf({}), end(1, 9)], `${text}x`)],
  ['a payload cut short', index([mf({}), end(1, 9)], text.slice(1))],
  ['wrong bytes', index([mf({}), end(1, 9)], text.toUpperCase())],
  [
    'a small blob without bytes',
    index([`{"name":"a","blobsAdded":[{"digest":"${hex('0')}","sizeBytes":1,"generation":1}]}`, end(1)]),
  ],
  [
    'a blob of the future',
    index([`{"name":"a","blobsAdded":[{"digest":"${hex('0')}","sizeBytes":99,"generation":2}]}`, end(1)]),
  ],
  ['one digest at two places', index([mf({}), mf({ offset: 9 }).replace('"a"', '"b"'), end(2, 18)], text + text)],
])('%s is refused', async (what, bytes) => {
  const path = join(folder, `hostile-${count++}`)
  await writeFile(path, bytes === 'latin' ? Buffer.from(index(['{"name":"\xff"}', end(1)]), 'latin1') : bytes)
  await expect(readPack(path, readPackDefaults), what).rejects.toThrow(PackRefused)
})

test('the hostile table starts from a pack that is accepted', async () => {
  const path = join(folder, 'friendly')
  await writeFile(path, index([mf({}), end(1, 9)], text))
  expect((await readPack(path)).repositories.length).toBe(1)
})
