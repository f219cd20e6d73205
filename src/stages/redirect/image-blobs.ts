// The blobs that a pull of one image asks for, so that `explain` can be asked about an image and not only about a digest.
import type { Digest } from '#oci/digest.ts'
import { isForeign, parseManifest } from '#oci/manifest.ts'
import type { ImageReference } from '#oci/reference.ts'
import type { PublishedManifest, PublishedRepository } from '#snapshots/publication.ts'
import type { FrontDoor } from './front-door.ts'

/** Undefined when it is not published. */
export function findImage({ name, reference }: ImageReference, front: FrontDoor): PublishedManifest | undefined {
  const repository = front.parts.holder.current.publication?.publication.repositories.get(name)
  const digest = reference.kind === 'digest' ? reference.digest : repository?.tags.get(reference.tag)
  return digest && repository?.manifests.get(digest)
}

/** Config and layers of the image, of every platform when it is an index, each once; undefined when it is not published. */
export async function listImageBlobs(image: ImageReference, front: FrontDoor): Promise<readonly Digest[] | undefined> {
  const repository = front.parts.holder.current.publication?.publication.repositories.get(image.name)
  const manifest = findImage(image, front)
  if (!repository || !manifest) return undefined
  const blobs = new Set<Digest>()
  await addBlobs(manifest, repository, { blobs, seen: new Set(), front })
  return [...blobs]
}

async function addBlobs(
  published: PublishedManifest,
  repository: PublishedRepository,
  walk: { readonly blobs: Set<Digest>; readonly seen: Set<Digest>; readonly front: FrontDoor },
): Promise<void> {
  // An index may name one child twice; none can contain itself, but a set costs nothing.
  if (walk.seen.has(published.digest)) return
  walk.seen.add(published.digest)
  const { packed } = walk.front
  const bytes = packed.find(published.digest) ?? (await packed.read(published.digest, published.bytes))
  const { config, layers, children } = parseManifest(bytes, published.mediaType)
  if (config) walk.blobs.add(config.digest)
  for (const layer of layers) if (!isForeign(layer)) walk.blobs.add(layer.digest)
  for (const child of children) {
    // A sparse index names children that are not published.
    const manifest = repository.manifests.get(child.digest)
    if (manifest) await addBlobs(manifest, repository, walk)
  }
}
