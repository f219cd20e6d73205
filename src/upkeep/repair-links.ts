import { join } from 'node:path'
import type { BlobStore } from '#blobs/blob-store.ts'
import { findTreeBlobs } from '#catalogue/generations.ts'
import type { Catalogue } from '#catalogue/schema.ts'
import { blobPath, type Digest } from '#oci/digest.ts'

/** A re-push replaced damaged bytes in the store; the published trees still link the old ones, so each is linked anew. */
export async function repairLinks(
  digest: Digest,
  stores: {
    catalogue: Catalogue
    blobs: BlobStore
    publicChannels: readonly string[]
    treeOf: (channel: string) => string
  },
): Promise<void> {
  for (const channel of stores.publicChannels) {
    const carried = await findTreeBlobs(stores.catalogue, channel, [digest])
    if (carried.has(digest)) await stores.blobs.place(digest, join(stores.treeOf(channel), blobPath(digest)))
  }
}
