// The block checks of blobs, as #blobs/block-checks.ts makes them; and the blobs of a tree in the order in which they came.

import type { Digest } from '#oci/digest.ts'
import { batchesOf } from './batches.ts'
import type { Reader, Tx } from './schema.ts'
import type { TreeBlob } from './tree-blobs.ts'

export type StoredChecks = { readonly digest: Digest; readonly checks: Uint8Array }

/** Of the digests asked for, those whose checks were made with this key. */
export async function findBlockChecks(
  db: Reader,
  keyId: string,
  digests: readonly Digest[],
): Promise<Map<string, Uint8Array>> {
  const found = new Map<string, Uint8Array>()
  for (const part of batchesOf(digests, 2000)) {
    const rows = await db
      .selectFrom('block_checks')
      .select(['digest', 'checks'])
      .where('key_id', '=', keyId)
      .where('digest', 'in', part)
      .execute()
    for (const { digest, checks } of rows) found.set(digest, checks)
  }
  return found
}

/** In place of those made with another key. */
export async function putBlockChecks(tx: Tx, keyId: string, made: readonly StoredChecks[]): Promise<void> {
  // In one order everywhere: two that write at once wait for each other instead of for ever.
  const rows = made.map(({ digest, checks }) => ({ digest, key_id: keyId, checks }))
  rows.sort((a, b) => (a.digest < b.digest ? -1 : 1))
  for (const part of batchesOf(rows, 500)) {
    await tx
      .insertInto('block_checks')
      .values([...part])
      .onConflict((conflict) =>
        conflict
          .column('digest')
          .doUpdateSet((set) => ({ key_id: set.ref('excluded.key_id'), checks: set.ref('excluded.checks') })),
      )
      .execute()
  }
}

export type TreePlace = Pick<TreeBlob, 'generation'> & { readonly digest: string }

/** Blobs of a channel's tree after a place in the order of (generation, digest). */
export async function listTreeBlobsSince(
  db: Reader,
  channel: string,
  { generation, digest }: TreePlace,
  limit: number,
): Promise<TreeBlob[]> {
  const rows = await db
    .selectFrom('tree_blobs')
    .select(['digest', 'size_bytes', 'generation'])
    .where('channel', '=', channel)
    .where((where) => where(where.refTuple('generation', 'digest'), '>', where.tuple(generation, digest)))
    .orderBy('generation')
    .orderBy('digest')
    .limit(limit)
    .execute()
  return rows.map((row) => ({ digest: row.digest as Digest, sizeBytes: row.size_bytes, generation: row.generation }))
}
