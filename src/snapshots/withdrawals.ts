// What may not be served any more, whatever else says so: the tiny list that outranks the publication.
import { type Digest, parseDigest } from '#oci/digest.ts'

export type Withdrawal = { readonly digest: Digest; readonly reason: string }

export type WithdrawalsDocument = {
  readonly format: 1
  readonly version: number
  readonly builtAtMs: number
  readonly withdrawn: readonly Withdrawal[]
}

export type Withdrawals = {
  readonly version: number
  readonly builtAtMs: number
  readonly reasons: ReadonlyMap<string, string>
}

/** Throws on a list that cannot be used whole: half of it would serve the other half. */
export function indexWithdrawals(document: WithdrawalsDocument): Withdrawals {
  if (document.format !== 1) throw new Error(`withdrawals: format ${document.format} is not understood`)
  const reasons = new Map<string, string>()
  for (const { digest, reason } of document.withdrawn) {
    if (!parseDigest(digest)) throw new Error(`withdrawals: ${digest} is no digest`)
    if (typeof reason !== 'string') throw new Error(`withdrawals: ${digest} has no reason`)
    reasons.set(digest, reason)
  }
  return { version: document.version, builtAtMs: document.builtAtMs, reasons }
}
