// A published tree in memory: made-up layers, the pack that a front door serves them by, and what the mirror stage asks of it.

import { join } from 'node:path'
import { digestOf } from '#blobs/hashing.ts'
import type { Digest } from '#oci/digest.ts'
import { mediaTypes } from '#oci/media-type.ts'
import type { RepositoryName, Tag } from '#oci/name.ts'
import { applyPack } from '#snapshots/apply-pack.ts'
import { writePack } from '#snapshots/catalogue-pack.ts'
import type { Publication } from '#snapshots/publication.ts'
import { readPack } from '#snapshots/read-pack.ts'
import type { TreeBlob, TreeRecords } from '#stages/mirror/host-records.ts'
import type { BlobSource } from '#stages/mirror/sample-blob.ts'
import { openBlobIn } from './front-door.ts'
import { seeded } from './seeded.ts'

export const simRepository = 'fedora/base'
export const simTag = 'latest' as Tag
export const simChannel = 'stable'

export class SimTree {
  readonly blobs: TreeBlob[] = []
  readonly bytes = new Map<string, Buffer>()
  generation = 0
  readonly records: TreeRecords
  readonly source: BlobSource
  readonly openBlob: ReturnType<typeof openBlobIn>

  constructor() {
    const { blobs } = this
    this.openBlob = openBlobIn(this.bytes)
    this.source = { open: this.openBlob, verify: async () => 'good' }
    this.records = {
      async *listBlobs(_, after, upTo) {
        yield* blobs.filter(({ generation }) => generation > after && generation <= upTo)
      },
      findBlob: async (_, digest) => blobs.find((blob) => blob.digest === digest),
      pickBlob: async (_, upTo, random) => {
        const there = blobs.filter(({ generation }) => generation <= upTo)
        return there[Math.floor(random * there.length)]
      },
    }
  }

  /** Of all layers, under its tag. */
  #makeImage(): Buffer {
    const layers = this.blobs.map(({ digest, sizeBytes }) => ({
      mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip',
      digest,
      size: sizeBytes,
    }))
    const config = { mediaType: mediaTypes.ociConfig, digest: digestOf(Buffer.from('{}')), size: 2 }
    return Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: mediaTypes.ociManifest, config, layers }))
  }

  /** Another generation with so many new layers; gives back what a front door takes. */
  async publish(folder: string, count: number, sizeBytes: number): Promise<Publication> {
    this.generation++
    const random = seeded(this.generation)
    for (let n = 0; n < count; n++) {
      const bytes = Buffer.alloc(sizeBytes + n)
      for (let i = 0; i < bytes.length; i++) bytes[i] = random() * 256
      const digest = digestOf(bytes)
      this.bytes.set(digest, bytes)
      this.blobs.push({ digest, sizeBytes: bytes.length, generation: this.generation })
    }
    const header = { channel: simChannel, from: 0, to: this.generation, createdAtMs: 0, smallBlobBytes: 65_536 }
    const blobsAdded = this.blobs.map((blob) => ({ ...blob, digest: blob.digest as Digest }))
    const image = this.#makeImage()
    const described = { digest: digestOf(image), sizeBytes: image.length, mediaType: mediaTypes.ociManifest }
    const { path } = await writePack(
      join(folder, `${this.generation}.pack`),
      header,
      [
        {
          name: simRepository as RepositoryName,
          blobsAdded,
          tagsSet: [[simTag, described.digest]],
          manifestsAdded: [described],
        },
      ],
      // Layers travel: nothing of them is in the pack.
      async function* (digest) {
        if (digest === described.digest) yield image
      },
    )
    return applyPack(undefined, await readPack(path))
  }
}
