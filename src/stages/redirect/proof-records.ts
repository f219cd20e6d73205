// What is remembered of hosts that had trouble, and of their blobs.

import type { ProbeBudget } from './probe-budget.ts'

export type Trouble = { failures: number; badUntilMs: number }

/** goodMs: when a probe passed there last, failedMs: when one failed, of any blob. */
export type Host = Trouble &
  ProbeBudget & {
    pairs: number
    running: number
    goodMs: number
    failedMs: number
  }

export type Pair = Trouble & {
  readonly host: Host
  goodMs: number
  doubtedMs: number
  running: Promise<boolean> | undefined
  /** Our own bytes are being read, to know whose are wrong. */
  isDisputed: boolean
}

export function newHost(probesLeft: number): Host {
  const never = Number.NEGATIVE_INFINITY
  return { failures: 0, badUntilMs: 0, pairs: 0, running: 0, goodMs: never, failedMs: never, probesLeft, countedMs: 0 }
}

export function pairKey(family: 4 | 6, url: string, digest: string): string {
  return `${family}${url} ${digest}`
}
