// Keyed checksums of a few blocks of a blob at secret places. With them a front door proves that a host holds the blob, without having
// its bytes. docs/decisions/0012-block-checks.md says what they find and what they cannot.
//
//   |..b0....|....b1..|b2......|.....b3.|..b4....|......b5|.b6.....|b7|     one secret place in each of seven equal parts;
//                                                                          the last block is the end, where broken copies stop

import type { Digest } from '#oci/digest.ts'
import type { BlobStore, ByteRange } from './blob-store.ts'
import type { BlockKey } from './block-key.ts'

export const blockCount = 8
export const blockBytes = 256
export const checkBytes = 16
/** All checks of a blob, in order of their blocks. */
export const checksBytes = blockCount * checkBytes

export type CheckedBlob = { readonly digest: Digest; readonly sizeBytes: number }

/** Where block `index` of a blob lies. In small blobs blocks overlap; an empty one has none. */
export function blockRange(key: BlockKey, { digest, sizeBytes }: CheckedBlob, index: number): ByteRange {
  const length = Math.min(blockBytes, sizeBytes)
  const starts = sizeBytes - length + 1
  const first = index === blockCount - 1 ? starts - 1 : placeWithin(key, digest, index, starts)
  return { first, last: first + length - 1 }
}

function placeWithin(key: BlockKey, digest: Digest, index: number, starts: number): number {
  const parts = blockCount - 1
  const from = Math.floor((index * starts) / parts)
  const width = Math.max(1, Math.floor(((index + 1) * starts) / parts) - from)
  // 48 bits: sizes are far below, so that no place is likelier than another by more than a millionth.
  return from + (key.mac(`place ${digest} ${index}`).readUIntBE(0, 6) % width)
}

export function checkBlock(key: BlockKey, digest: Digest, range: ByteRange, bytes: Uint8Array): Buffer {
  return key.mac(`block ${digest} ${range.first}-${range.last}\n`, bytes).subarray(0, checkBytes)
}

/** Reads the blocks back. Undefined when the store lacks the blob, or when it is empty. The bytes must be known to be right. */
export async function makeBlockChecks(
  blobs: Pick<BlobStore, 'open'>,
  key: BlockKey,
  blob: CheckedBlob,
): Promise<Uint8Array | undefined> {
  if (blob.sizeBytes === 0) return undefined
  const indexes = Array.from({ length: blockCount }, (_, index) => index)
  const checks = await Promise.all(
    indexes.map(async (index) => {
      const range = blockRange(key, blob, index)
      await using body = await blobs.open(blob.digest, range)
      return body && checkBlock(key, blob.digest, range, await new Response(body.stream()).bytes())
    }),
  )
  return checks.some((check) => check === undefined) ? undefined : Buffer.concat(checks as Buffer[])
}
