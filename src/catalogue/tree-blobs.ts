// Which blobs a channel's tree carries, and the generation that brought each.

import type { Digest } from '#oci/digest.ts'
import { batchesOf } from './batches.ts'
import type { Reader, Tx } from './schema.ts'

/** Of the digests asked for, those that the channel's tree carries, with the generation that brought them. */
export async function findTreeBlobs(
  db: Reader,
  channel: string,
  digests: readonly Digest[],
): Promise<Map<string, number>> {
  const found = new Map<string, number>()
  for (const part of batchesOf(digests, 2000)) {
    const rows = await db
      .selectFrom('tree_blobs')
      .select(['digest', 'generation'])
      .where('channel', '=', channel)
      .where('digest', 'in', part)
      .execute()
    for (const row of rows) found.set(row.digest, row.generation)
  }
  return found
}

export type TreeBlob = { readonly digest: Digest; readonly sizeBytes: number; readonly generation: number }

/** In order of digest, after `after`. */
export async function listTreeBlobs(db: Reader, channel: string, after: string, limit: number): Promise<TreeBlob[]> {
  const rows = await db
    .selectFrom('tree_blobs')
    .select(['digest', 'size_bytes', 'generation'])
    .where('channel', '=', channel)
    .where('digest', '>', after)
    .orderBy('digest')
    .limit(limit)
    .execute()
  return rows.map((row) => ({ digest: row.digest as Digest, sizeBytes: row.size_bytes, generation: row.generation }))
}

/** Reads all of them. */
export async function countTreeBlobs(db: Reader, channel: string): Promise<number> {
  const row = await db
    .selectFrom('tree_blobs')
    .select((select) => select.fn.countAll().as('count'))
    .where('channel', '=', channel)
    .executeTakeFirstOrThrow()
  return Number(row.count)
}

/** Blobs that came after generation `after`, oldest first. */
export async function listNewTreeBlobs(db: Reader, channel: string, after: number): Promise<TreeBlob[]> {
  const rows = await db
    .selectFrom('tree_blobs')
    .select(['digest', 'size_bytes', 'generation'])
    .where('channel', '=', channel)
    .where('generation', '>', after)
    .orderBy('generation')
    .orderBy('digest')
    .execute()
  return rows.map((row) => ({ digest: row.digest as Digest, sizeBytes: row.size_bytes, generation: row.generation }))
}

export async function addTreeBlobs(tx: Tx, channel: string, blobs: readonly TreeBlob[]): Promise<void> {
  for (const part of batchesOf(blobs, 1000)) {
    await tx
      .insertInto('tree_blobs')
      .values(
        part.map((blob) => ({ channel, digest: blob.digest, size_bytes: blob.sizeBytes, generation: blob.generation })),
      )
      .execute()
  }
}
