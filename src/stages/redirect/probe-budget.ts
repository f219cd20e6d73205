// What a front door may still spend on one host: so many probes a day, saved up to so many at once.

import type { ProofLimits } from './proof-limits.ts'

/** As of `countedMs`. */
export type ProbeBudget = { probesLeft: number; countedMs: number }

const dayMs = 86_400_000

/** False: this host has had its probes for now. */
export function spendProbe(
  budget: ProbeBudget,
  { perHostAndDay, burstPerHost }: Pick<ProofLimits, 'perHostAndDay' | 'burstPerHost'>,
  nowMs: number,
): boolean {
  // A clock that was set back takes nothing away.
  const passedMs = Math.max(0, nowMs - budget.countedMs)
  const saved = budget.probesLeft + (passedMs * perHostAndDay) / dayMs
  budget.probesLeft = Math.min(saved, burstPerHost)
  budget.countedMs = nowMs
  if (budget.probesLeft < 1) return false
  budget.probesLeft--
  return true
}
