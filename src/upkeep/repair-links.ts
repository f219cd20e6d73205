import { join } from 'node:path'
import type { Catalogue } from '#catalogue/schema.ts'
import { findTreeBlobs } from '#catalogue/tree-blobs.ts'
import { blobPath, type Digest } from '#oci/digest.ts'

/** A re-push brings good bytes for a damaged blob: every published tree that carries it gets them. */
export async function repairLinks(
  digest: Digest,
  stores: {
    catalogue: Catalogue
    place: (target: string) => Promise<unknown>
    publicChannels: readonly string[]
    treeOf: (channel: string) => string
  },
): Promise<void> {
  for (const channel of stores.publicChannels) {
    const carried = await findTreeBlobs(stores.catalogue, channel, [digest])
    if (carried.has(digest)) await stores.place(join(stores.treeOf(channel), blobPath(digest)))
  }
}
