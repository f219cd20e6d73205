// What a front door may still spend on one host: so many probes a day, saved up to so many at once.

import type { ProofLimits } from './proof-limits.ts'

/** As of `countedMs`. */
export type ProbeBudget = { probesLeft: number; countedMs: number }

const dayMs = 86_400_000

type Limits = Pick<ProofLimits, 'perHostAndDay' | 'burstPerHost'>

function leftOf(
  { probesLeft, countedMs }: ProbeBudget,
  { perHostAndDay, burstPerHost }: Limits,
  nowMs: number,
): number {
  // A clock that was set back takes nothing away.
  const passedMs = Math.max(0, nowMs - countedMs)
  return Math.min(probesLeft + (passedMs * perHostAndDay) / dayMs, burstPerHost)
}

export function hasProbe(budget: ProbeBudget, limits: Limits, nowMs: number): boolean {
  return leftOf(budget, limits, nowMs) >= 1
}

/** False: this host has had its probes for now. */
export function spendProbe(budget: ProbeBudget, limits: Limits, nowMs: number): boolean {
  budget.probesLeft = leftOf(budget, limits, nowMs)
  budget.countedMs = nowMs
  if (budget.probesLeft < 1) return false
  budget.probesLeft--
  return true
}
