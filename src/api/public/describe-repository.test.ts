import { describe, expect, test } from 'bun:test'
import { type Digest, makeDigest } from '#oci/digest.ts'
import { mediaTypes } from '#oci/media-type.ts'
import { PackedTable } from '#snapshots/packed-table.ts'
import type { PublishedRepository } from '#snapshots/publication.ts'
import { blobKind, manifestKind } from '#snapshots/published-tables.ts'
import { ImageReader } from './describe-image.ts'
import { describeRepository, describeTag, summarizeRepository } from './describe-repository.ts'

const digest = (n: number): Digest => makeDigest('sha256', n.toString(16).padStart(64, '0'))
const pack = { path: 'nowhere', payloadStart: 0 }

/** A repository whose manifests are what `documents` says, and the reader of them. */
function makeRepository(documents: ReadonlyMap<Digest, object>, tags: Readonly<Record<string, Digest>>) {
  const manifests = [...documents].map(([of, document]) => {
    const { mediaType = mediaTypes.ociManifest } = document as { mediaType?: string }
    const detail = { mediaType, artifactType: undefined, annotations: undefined, subject: undefined }
    return { digest: of, sizeBytes: JSON.stringify(document).length, offset: 0, detail }
  })
  const blob = { digest: digest(90), sizeBytes: 4000, offset: undefined, detail: 1 }
  const repository: PublishedRepository = {
    name: 'team/app',
    tags: new Map(Object.entries(tags)),
    manifests: PackedTable.of(manifestKind, manifests, pack),
    blobs: PackedTable.of(blobKind, [blob], pack),
    referrers: new Map(),
  }
  let reads = 0
  const images = new ImageReader(async (manifest) => {
    reads++
    return Buffer.from(JSON.stringify(documents.get(manifest.digest)))
  })
  return { repository, images, reads: () => reads }
}

const image = (size: number) => ({
  schemaVersion: 2,
  mediaType: mediaTypes.ociManifest,
  config: { mediaType: mediaTypes.ociConfig, digest: digest(80), size: 100 },
  layers: [{ mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip', digest: digest(90), size }],
})
const child = (n: number, os: string, architecture: string, variant?: string) => ({
  mediaType: mediaTypes.ociManifest,
  digest: digest(n),
  size: 1,
  platform: { os, architecture, ...(variant !== undefined && { variant }) },
})
const index = {
  schemaVersion: 2,
  mediaType: mediaTypes.ociIndex,
  manifests: [
    child(3, 'linux', 'arm64', 'v8'),
    child(2, 'linux', 'amd64'),
    child(4, 'unknown', 'unknown'),
    child(2, 'linux', 'amd64'),
  ],
}
const documents = new Map<Digest, object>([
  [digest(1), index],
  [digest(2), image(2000)],
  [digest(3), image(3000)],
  [digest(4), image(4000)],
])

describe('a repository in a list', () => {
  test.each<[string, string[], string[]]>([
    ['latest before all', ['1.0', '2.0', 'latest'], ['latest', '2.0', '1.0']],
    ['versions as people count', ['9', '10', '44', '8.10', '8.9'], ['44', '10', '9', '8.10']],
    ['without tags of signatures', [`sha256-${'c'.repeat(64)}.sig`, '1'], ['1']],
    ['none', [], []],
  ])('leads with the tags that are pulled: %s', async (_, tags, expected) => {
    const { repository, images } = makeRepository(documents, Object.fromEntries(tags.map((tag) => [tag, digest(2)])))
    const summary = await summarizeRepository(repository, images)
    expect([summary.tags, summary.tagCount]).toEqual([expected, tags.length])
  })

  test('says what a pull of the first tag takes', async () => {
    const { repository, images } = makeRepository(documents, { latest: digest(1), old: digest(3) })
    expect((await summarizeRepository(repository, images)).sizeBytes).toBe(2100)
  })
})

describe('a tag', () => {
  test('of an index: its platforms, and the size of the most common one', async () => {
    const { repository, images } = makeRepository(documents, { latest: digest(1) })
    const { platforms, sizeBytes, mediaType } = await describeTag(repository, 'latest', images)
    expect({ platforms, sizeBytes, mediaType }).toEqual({
      platforms: ['linux/arm64/v8', 'linux/amd64'],
      sizeBytes: 2100,
      mediaType: mediaTypes.ociIndex,
    })
  })

  test('is read once, however often it is shown', async () => {
    const { repository, images, reads } = makeRepository(documents, { latest: digest(1) })
    for (let i = 0; i < 3; i++) await describeTag(repository, 'latest', images)
    expect(reads()).toBe(2)
  })

  test.each<[string, object]>([
    ['whose image is elsewhere', { ...index, manifests: [child(70, 'linux', 'amd64')] }],
    ['without any image', { ...index, manifests: [] }],
    ['that is too large to be read for a page', { ...image(1), annotations: { long: 'x'.repeat(600_000) } }],
  ])('%s has no size', async (_, document) => {
    const { repository, images } = makeRepository(new Map([[digest(1), document]]), { latest: digest(1) })
    expect(await describeTag(repository, 'latest', images)).not.toHaveProperty('sizeBytes')
  })
})

test('all versions together are what its blobs take', () => {
  const { repository } = makeRepository(documents, { latest: digest(1) })
  expect(describeRepository(repository)).toMatchObject({ storedBytes: 4000, manifestCount: 4, leadTag: 'latest' })
})
