import type { Reader, Tx } from './schema.ts'

/** What an earlier request under this key was answered, if it was the same request. */
export async function findAnswer(
  db: Reader,
  key: string,
  requestDigest: string,
): Promise<{ readonly isSame: boolean; readonly response: unknown } | undefined> {
  const row = await db.selectFrom('idempotency_keys').selectAll().where('key', '=', key).executeTakeFirst()
  return row && { isSame: row.request_digest === requestDigest, response: JSON.parse(row.response) }
}

/** In the transaction of the act itself: the key stands for it exactly when it happened. False: another act has the key. */
export async function keepAnswer(
  tx: Tx,
  key: string,
  requestDigest: string,
  response: unknown,
  atMs: number,
): Promise<boolean> {
  const done = await tx
    .insertInto('idempotency_keys')
    .values({ key, request_digest: requestDigest, response: JSON.stringify(response), at_ms: atMs })
    .onConflict((conflict) => conflict.column('key').doNothing())
    .executeTakeFirst()
  return Boolean(done.numInsertedOrUpdatedRows)
}

export async function forgetAnswers(tx: Tx, beforeMs: number): Promise<void> {
  await tx.deleteFrom('idempotency_keys').where('at_ms', '<', beforeMs).execute()
}
