// What pulling an image means: its platforms, and the bytes that one of them takes.

import type { Digest } from '#oci/digest.ts'
import { type Manifest, parseManifest } from '#oci/manifest.ts'
import type { PublishedManifest, PublishedRepository } from '#snapshots/publication.ts'
import type { PublicSide } from './public-side.ts'

export type ImageDescription = {
  readonly mediaType: string
  readonly platforms: readonly string[]
  /** Config and layers of one platform; undefined when the manifest is too large to be read for a page. */
  readonly sizeBytes: number | undefined
}

/** Larger ones exist only to be in the way. */
const maxReadBytes = 512 * 1024
const mostPlatforms = 24
const mostKept = 10_000

/** Manifests are immutable, so what was read of one stays true. */
export class ImageReader {
  readonly #readManifest: PublicSide['readManifest']
  readonly #known = new Map<Digest, ImageDescription>()

  constructor(readManifest: PublicSide['readManifest']) {
    this.#readManifest = readManifest
  }

  async describe(repository: PublishedRepository, digest: Digest): Promise<ImageDescription | undefined> {
    const known = this.#known.get(digest)
    if (known) return known
    const manifest = repository.manifests.get(digest)
    if (!manifest) return undefined
    const description = await this.#read(repository, manifest)
    if (this.#known.size >= mostKept) this.#known.clear()
    this.#known.set(digest, description)
    return description
  }

  async #read(repository: PublishedRepository, { mediaType, digest }: PublishedManifest): Promise<ImageDescription> {
    const top = await this.#parse(repository, digest)
    const platforms = top?.children.flatMap(({ platform }) =>
      !platform || platform.os === 'unknown'
        ? []
        : [[platform.os, platform.architecture, platform.variant].filter((part) => part !== undefined).join('/')],
    )
    const child = top && (top.children.find(isMostCommon) ?? top.children[0])
    const image = child ? await this.#parse(repository, child.digest) : top
    return {
      mediaType,
      platforms: [...new Set(platforms)].slice(0, mostPlatforms),
      sizeBytes: image?.config && image.layers.reduce((sum, { size }) => sum + size, image.config.size),
    }
  }

  async #parse(repository: PublishedRepository, digest: Digest): Promise<Manifest | undefined> {
    const manifest = repository.manifests.get(digest)
    if (!manifest || manifest.sizeBytes > maxReadBytes) return undefined
    return parseManifest(await this.#readManifest(manifest), manifest.mediaType)
  }
}

function isMostCommon({ platform }: Manifest['children'][number]): boolean {
  return platform?.os === 'linux' && platform.architecture === 'amd64'
}
