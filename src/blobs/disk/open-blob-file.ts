import { lstat } from 'node:fs/promises'
import { join } from 'node:path'
import type { BlobBody, BlobStat, ByteRange } from '#blobs/blob-store.ts'
import { blobPath, type Digest } from '#oci/digest.ts'
import { isMissing } from './write-fully.ts'

/** A finished blob below any root of this layout: the store's, a published tree's, a replica's. A link is none: others may have put
 *  it there. */
export async function statBlobFile(root: string, digest: Digest): Promise<BlobStat | undefined> {
  try {
    const found = await lstat(join(root, blobPath(digest)))
    return found.isFile() ? { sizeBytes: found.size } : undefined
  } catch (error) {
    if (isMissing(error)) return undefined
    throw error
  }
}

/** Undefined when it is not there. Throws RangeError for a range that does not lie inside. */
export async function openBlobFile(root: string, digest: Digest, range?: ByteRange): Promise<BlobBody | undefined> {
  const found = await statBlobFile(root, digest)
  if (!found) return undefined
  const first = range?.first ?? 0
  const last = range?.last ?? found.sizeBytes - 1
  if (first < 0 || last >= found.sizeBytes || (range && first > last)) {
    throw new RangeError(`bytes ${first}-${last} are outside ${digest} of ${found.sizeBytes} bytes`)
  }
  const path = join(root, blobPath(digest))
  return {
    sizeBytes: last - first + 1,
    file: { path, first },
    stream: () =>
      Bun.file(path)
        .slice(first, last + 1)
        .stream(),
    async [Symbol.asyncDispose]() {},
  }
}
