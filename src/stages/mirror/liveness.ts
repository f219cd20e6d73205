// When an address of a host counts as alive: slow to change its mind on what may be a hiccup, quick on what cannot be one. Pure.

import type { Sample } from './sample-blob.ts'

export type Liveness = {
  readonly isAlive: boolean
  /** What the last failure was; undefined when alive. */
  readonly reason: string | undefined
  readonly failures: number
  readonly successes: number
  readonly checkedAtMs: number
  /** When a look last failed; undefined: none did that is remembered. */
  readonly failedAtMs?: number | undefined
  readonly roundTripMs: number
}

const turns = 2

/** Nothing listens, the certificate is bad, the bytes or the manner are wrong: asking again would only send clients there. */
function isFinal({ verdict, trouble }: Sample): boolean {
  if (verdict === 'wrong' || verdict === 'unsuitable') return true
  return trouble === 'refused' || trouble === 'tls' || trouble === 'guard'
}

/** Two failures take it down, two successes bring it back; the very first look decides alone. */
export function stepLiveness(before: Liveness | undefined, sample: Sample, nowMs: number): Liveness {
  const isGood = sample.verdict === 'good'
  const failures = isGood ? 0 : (before?.failures ?? 0) + 1
  const successes = isGood ? (before?.successes ?? 0) + 1 : 0
  const isAlive = isGood
    ? !before || before.isAlive || successes >= turns
    : before?.isAlive === true && failures < turns && !isFinal(sample)
  const told = sample.fault ? `${sample.fault.url}: ${sample.fault.came}` : before?.reason
  return {
    isAlive,
    reason: isAlive ? undefined : told,
    failures,
    successes,
    checkedAtMs: nowMs,
    failedAtMs: isGood ? before?.failedAtMs : nowMs,
    roundTripMs: isGood ? sample.roundTripMs : (before?.roundTripMs ?? 0),
  }
}
