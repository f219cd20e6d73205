import { join } from 'node:path'
import { findTreeBlobs, type TreeBlob } from '#catalogue/tree-blobs.ts'
import { blobPath, type Digest } from '#oci/digest.ts'
import type { PackRepository } from '#snapshots/catalogue-pack.ts'
import type { PublishStores } from './publish-stores.ts'

export type PublishControl = {
  readonly signal: AbortSignal
  progress(value: { done: number; total: number; what: string }): void
}

/** Links every blob that the tree lacks. One that is damaged in the store stops the publication: it must not travel. */
export async function placeBlobs(
  generation: { readonly channel: string; readonly number: number },
  repositories: Iterable<PackRepository> | AsyncIterable<PackRepository>,
  { catalogue, blobs, treeOf, smallBlobBytes }: PublishStores,
  control: PublishControl,
): Promise<{ added: TreeBlob[]; copied: number }> {
  const { channel, number } = generation
  const wanted = new Map<Digest, number>()
  for await (const repository of repositories) {
    for (const blob of repository.blobsAdded ?? []) {
      if (blob.sizeBytes >= smallBlobBytes) wanted.set(blob.digest, blob.sizeBytes)
    }
  }
  const present = await findTreeBlobs(catalogue, channel, [...wanted.keys()])
  const added: TreeBlob[] = []
  let copied = 0
  for (const [digest, sizeBytes] of [...wanted].sort(([a], [b]) => (a < b ? -1 : 1))) {
    if (present.has(digest)) continue
    control.signal.throwIfAborted()
    const stat = await blobs.stat(digest)
    if (stat?.sizeBytes !== sizeBytes)
      throw new Error(
        `blob ${digest} should have ${sizeBytes} bytes and ${stat ? `has ${stat.sizeBytes}` : 'is gone'}: push it again`,
      )
    if ((await blobs.place(digest, join(treeOf(channel), blobPath(digest)))) === 'copied') copied++
    added.push({ digest, sizeBytes, generation: number })
    control.progress({ done: added.length, total: wanted.size - present.size, what: 'blobs' })
  }
  return { added, copied }
}
