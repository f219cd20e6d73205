// The publication made ready for the front door: lists that pages are cut from, made once and not per request.
import type { Digest } from '#oci/digest.ts'
import type { Publication, PublishedBlob, PublishedRepository } from './publication.ts'

export type PublicationIndex = {
  readonly publication: Publication
  readonly generation: number
  /** As text, for headers. */
  readonly generationText: string
  /** Sorted, ASCII order. */
  readonly names: readonly string[]
  /** Sorted, ASCII order; made when first asked for. */
  tagsOf(repository: PublishedRepository): readonly string[]
  /** Looks through all repositories: for rare questions only. */
  findBlob(digest: Digest): PublishedBlob | undefined
}

export function indexPublication(publication: Publication): PublicationIndex {
  const tags = new WeakMap<PublishedRepository, readonly string[]>()
  return {
    publication,
    generation: publication.generation,
    generationText: String(publication.generation),
    names: [...publication.repositories.keys()],
    tagsOf(repository) {
      let list = tags.get(repository)
      if (!list) tags.set(repository, (list = [...repository.tags.keys()]))
      return list
    },
    findBlob(digest) {
      for (const repository of publication.repositories.values()) {
        const blob = repository.blobs.get(digest)
        if (blob) return blob
      }
      return undefined
    },
  }
}
