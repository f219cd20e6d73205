// What the paths of blobs lead to, for those that are asked for now: the layers of popular images are most of all requests, and reading
// a path, finding its repository and its blob is a good part of the work. One place by hash each, so it is bounded and needs no list.

import { digestBits } from '#kit/hash-bits.ts'
import { ownText } from '#kit/own-text.ts'
import type { PublishedBlob, PublishedRepository } from '#snapshots/publication.ts'
import type { PublicationIndex } from '#snapshots/publication-index.ts'

export type KnownPath = {
  readonly repository: PublishedRepository
  readonly found: PublishedBlob
  /** Where hosts have it. */
  readonly treePath: string
}

/** A power of two. */
const places = 65_536
/** Longer paths than any of a real repository are not kept. */
const maxLength = 512

/** Digests end in random bits, so the end of the path is its hash. */
function placeOf(path: string): number {
  return path.length < 16 ? 0 : digestBits(path, path.length - 8) & (places - 1)
}

export class KnownPaths {
  readonly #known = new Array<(KnownPath & { readonly path: string }) | undefined>(places).fill(undefined)
  /** What all of them are of. */
  #publication: PublicationIndex | undefined

  /** Undefined: not known of this publication, whatever it is. */
  find(path: string, publication: PublicationIndex): KnownPath | undefined {
    // One path that nobody asks for again would keep a whole publication in memory.
    if (publication !== this.#publication) this.#begin(publication)
    const known = this.#known[placeOf(path)]
    return known && known.path === path ? known : undefined
  }

  keep(path: string, publication: PublicationIndex, { repository, found, treePath }: KnownPath): void {
    if (path.length > maxLength) return
    if (publication !== this.#publication) this.#begin(publication)
    this.#known[placeOf(path)] = { path: ownText(path), repository, found, treePath }
  }

  #begin(publication: PublicationIndex): void {
    this.#known.fill(undefined)
    this.#publication = publication
  }
}
