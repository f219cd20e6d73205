import { afterAll, beforeEach, describe, expect, test } from 'bun:test'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { digestOf } from '#blobs/hashing.ts'
import { mediaTypes } from '#oci/media-type.ts'
import { parseImageReference } from '#oci/reference.ts'
import { openReleaseLine, type ReleaseLine } from '../../../test/kit/release-line.ts'
import { type CandidateStores, describeCandidate, listCandidates } from './list-candidates.ts'
import { readImageFacts } from './read-image-facts.ts'

const folder = await mkdtemp(join(tmpdir(), 'candidates-'))
const opened: ReleaseLine[] = []
let line: ReleaseLine
let stores: CandidateStores
beforeEach(async () => {
  line = await openReleaseLine(join(folder, `${opened.length}`))
  opened.push(line)
  stores = { catalogue: line.catalogue, blobs: line.blobs, channel: 'candidate' }
})
afterAll(async () => {
  for (const one of opened) await one[Symbol.asyncDispose]()
  await rm(folder, { recursive: true })
})

const show = (text: string) => describeCandidate(stores, parseImageReference(text)!)
const namesOf = async (filter: { repository?: string; limit: number }) =>
  (await listCandidates(stores, filter)).map(({ repository, tag }) => `${repository}:${tag}`)

describe('candidates', () => {
  test('are told newest first, of one repository if asked, and only of where pushes land', async () => {
    await line.push('a', { tags: ['1'] })
    await line.push('b', { tags: ['1'] })
    await line.push('a', { tags: ['2'], note: 'two' })
    await line.promote(['b:1'])
    expect(await namesOf({ limit: 10 })).toEqual(['a:2', 'b:1', 'a:1'])
    expect(await namesOf({ limit: 1 })).toEqual(['a:2'])
    expect(await namesOf({ limit: 10, repository: 'a' })).toEqual(['a:2', 'a:1'])
  })

  test('an index tells of each image, and of what refers to it', async () => {
    const images = [await line.push('a', { note: 'x' }), await line.push('a', { note: 'y', layers: ['one', 'two'] })]
    const index = await line.pushIndex('a', images, { tags: ['1'] })
    const signature = await line.push('a', { subject: index, note: 'signature' })
    const told = await show('a:1')
    expect(told).toMatchObject({ repository: 'a', digest: index, mediaType: mediaTypes.ociIndex })
    expect(told.images.map(({ digest, platform, layers }) => [digest, platform, layers.length])).toEqual([
      [images[0]!, 'linux', 1],
      [images[1]!, 'linux', 2],
    ])
    expect(told.referrers.map(({ digest }) => digest)).toEqual([signature])
  })

  test.each(['a:2', 'b:1', `a@sha256:${'0'.repeat(64)}`])('%s, which is none, is unknown', async (text) => {
    await line.push('a', { tags: ['1'] })
    expect(show(text)).rejects.toThrow('MANIFEST_UNKNOWN')
  })
})

describe('what a config says of itself is data and nothing more', () => {
  const nothing = { platform: undefined, createdAt: undefined, labels: {} }
  test.each<[string, string, object]>([
    ['no JSON', '{', nothing],
    ['no object', '[1]', nothing],
    ['other types than text', '{"os":1,"created":{},"config":{"Labels":["a"]}}', nothing],
    ['labels of other types', '{"config":{"Labels":{"a":"b","c":1,"d":null}}}', { ...nothing, labels: { a: 'b' } }],
    ['a variant', '{"os":"linux","architecture":"arm","variant":"v7"}', { ...nothing, platform: 'linux/arm/v7' }],
  ])('%s', async (_, text, expected) => {
    const bytes = new TextEncoder().encode(text)
    const digest = digestOf(bytes)
    await line.blobs.put(digest, bytes)
    const config = { digest, mediaType: mediaTypes.ociConfig, sizeBytes: bytes.length }
    expect(await readImageFacts(line.blobs, config)).toEqual(expected as never)
    // Of another kind, or too large to be one: not even opened.
    expect(await readImageFacts(line.blobs, { ...config, mediaType: 'application/json' })).toEqual(nothing)
    expect(await readImageFacts(line.blobs, { ...config, sizeBytes: 5 << 20 })).toEqual(nothing)
  })
})
