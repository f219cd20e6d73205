// A repository and its tags as anybody may see them.

import type { PublishedRepository } from '#snapshots/publication.ts'
import type { ImageReader } from './describe-image.ts'

const shownTags = 4

/** Tags that clients without the referrers API make for signatures and the like: nobody pulls those by name. */
const companion = /^sha(256|512)-[0-9a-f]{32,}/
const naturally = new Intl.Collator('en', { numeric: true }).compare

type Gist = { readonly leadingTags: readonly string[]; readonly storedBytes: number }

/** A published repository never changes, so what takes a look at all of it is worked out once, however many strangers ask. */
const gists = new WeakMap<PublishedRepository, Gist>()

function gistOf(repository: PublishedRepository): Gist {
  const known = gists.get(repository)
  if (known) return known
  const storedBytes = [...repository.blobs.values()].reduce((sum, blob) => sum + blob.sizeBytes, 0)
  const gist = { leadingTags: leadingTags(repository), storedBytes }
  gists.set(repository, gist)
  return gist
}

/** The tags that people pull: `latest`, then the highest versions. */
function leadingTags({ tags }: PublishedRepository): string[] {
  const others = [...tags.keys()].filter((tag) => tag !== 'latest' && !companion.test(tag))
  const lead = tags.has('latest') ? ['latest'] : []
  return [...lead, ...others.sort((a, b) => naturally(b, a))].slice(0, shownTags)
}

/** One row of a list. */
export async function summarizeRepository(repository: PublishedRepository, images: ImageReader) {
  const tags = gistOf(repository).leadingTags
  const [lead] = tags
  const image = lead === undefined ? undefined : await images.describe(repository, repository.tags.get(lead)!)
  return { name: repository.name, tagCount: repository.tags.size, tags: [...tags], ...sizeOf(image) }
}

export function describeRepository(repository: PublishedRepository) {
  const { leadingTags, storedBytes } = gistOf(repository)
  const [leadTag] = leadingTags
  return {
    name: repository.name,
    tagCount: repository.tags.size,
    manifestCount: repository.manifests.size,
    ...(leadTag === undefined ? {} : { leadTag }),
    storedBytes,
  }
}

export async function describeTag(repository: PublishedRepository, tag: string, images: ImageReader) {
  const digest = repository.tags.get(tag)!
  const image = await images.describe(repository, digest)
  return {
    tag,
    digest,
    mediaType: image?.mediaType ?? 'unknown',
    platforms: [...(image?.platforms ?? [])],
    ...sizeOf(image),
  }
}

function sizeOf(image: { readonly sizeBytes: number | undefined } | undefined): { sizeBytes?: number } {
  return image?.sizeBytes === undefined ? {} : { sizeBytes: image.sizeBytes }
}
