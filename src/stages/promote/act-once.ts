// One act under one idempotency key: asked for again, it is answered as it was, and not done again.

import { digestOf } from '#blobs/hashing.ts'
import { findAnswer, keepAnswer } from '#catalogue/idempotency.ts'
import type { Tx } from '#catalogue/schema.ts'
import { RegistryError } from '#oci/errors.ts'
import type { PromoteStores } from './promote-stores.ts'
import type { ActResult } from './promotion.ts'

type Keyed = { readonly idempotencyKey: string | undefined; readonly isDryRun: boolean }
/** Called in the transaction of the act, so that the key stands for it exactly when it happened. */
type Keep = (tx: Tx, result: ActResult) => Promise<void>

/** The same request came twice at once and the other one was faster: this one is undone and answers what that one did. */
class KeyTaken extends Error {}

export async function actOnce<R extends Keyed>(
  request: R,
  stores: PromoteStores,
  act: (keep: Keep) => Promise<ActResult>,
): Promise<ActResult> {
  const key = request.isDryRun ? undefined : request.idempotencyKey
  if (key === undefined) return await act(async () => undefined)
  const requestDigest = digestOf(JSON.stringify({ ...request, idempotencyKey: undefined }))
  const before = await answerBefore(key, requestDigest, stores)
  if (before) return before
  try {
    return await act(async (tx, result) => {
      if (!(await keepAnswer(tx, key, requestDigest, result, stores.now()))) throw new KeyTaken()
    })
  } catch (error) {
    // Whatever this one failed of, the other one may have moved the ground below it.
    const first = await answerBefore(key, requestDigest, stores)
    if (first) return first
    throw error
  }
}

async function answerBefore(
  key: string,
  requestDigest: string,
  { catalogue }: PromoteStores,
): Promise<ActResult | undefined> {
  const before = await findAnswer(catalogue, key, requestDigest)
  if (before && !before.isSame) throw new RegistryError('CONFLICT', 'this idempotency key was used for another request')
  return before?.response as ActResult | undefined
}
