// One block of a blob that a host is asked for, and what is known here of its bytes.

import type { ByteRange } from '#blobs/blob-store.ts'
import { blockBytes, blockCount, blockRange, checkBlock, checkBytes } from '#blobs/block-checks.ts'
import type { BlockKey } from '#blobs/block-key.ts'
import type { Digest } from '#oci/digest.ts'
import type { FindBlockChecks } from '#snapshots/block-checks.ts'
import type { OwnBlobs } from './own-blobs.ts'

/** disputed: they differ from our own bytes, which may be the wrong ones. unknown: nothing here tells. */
export type Judgement = 'right' | 'wrong' | 'disputed' | 'unknown'

export type KnownBlock = {
  readonly range: ByteRange
  judge(bytes: Uint8Array): Promise<Judgement>
}

export type BlockSources = {
  /** Undefined where there are none. */
  readonly blockChecks?: FindBlockChecks<BlockKey> | undefined
  readonly own: OwnBlobs
  readonly random: () => number
}

/** A checked block where the blob has checks: those were made from bytes that were right. Else a block anywhere. */
export async function chooseBlock(
  { blockChecks, own, random }: BlockSources,
  blob: { readonly digest: Digest; readonly sizeBytes: number },
): Promise<KnownBlock> {
  const found = await blockChecks?.find(blob.digest).catch(() => undefined)
  if (found) {
    const { checks, key } = found
    const index = Math.floor(random() * blockCount)
    const range = blockRange(key, blob, index)
    const check = checks.subarray(index * checkBytes, (index + 1) * checkBytes)
    return {
      range,
      judge: async (bytes) => (checkBlock(key, blob.digest, range, bytes).equals(check) ? 'right' : 'wrong'),
    }
  }
  const length = Math.min(blockBytes, blob.sizeBytes)
  const first = Math.floor(random() * (blob.sizeBytes - length + 1))
  const range = { first, last: first + length - 1 }
  const known = own.find(blob.digest, range)
  return {
    range,
    async judge(bytes) {
      const expected = await known
      if (!expected) return 'unknown'
      return Buffer.compare(expected, bytes) === 0 ? 'right' : 'disputed'
    },
  }
}
