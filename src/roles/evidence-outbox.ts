// What a front door has to tell the mirror role, until it is told: coalesced, bounded, the oldest dropped first. Nobody waits for it.

import type { Logger } from 'pino'
import { evidenceLifeMs, maxEvidence, type ReportedEvidence } from '#snapshots/evidence-report.ts'
import type { Evidence } from '#stages/redirect/evidence.ts'

export type OutboxParts = {
  readonly send: (evidence: readonly ReportedEvidence[]) => Promise<void>
  readonly now: () => number
  readonly log: Logger
}

/** The first goes at once, then one report a second. */
const paceMs = 1000
const maxBackoffMs = 10_000

export class EvidenceOutbox {
  readonly #parts: OutboxParts
  /** By what it says, oldest first. */
  #waiting = new Map<string, ReportedEvidence>()
  #timer: NodeJS.Timeout | undefined
  #sending: Promise<void> | undefined
  #nextAtMs = 0
  #failures = 0
  #isStopped = false

  constructor(parts: OutboxParts) {
    this.#parts = parts
  }

  get size(): number {
    return this.#waiting.size
  }

  /** Probes that passed stay here: they change nothing elsewhere. */
  add(evidence: Evidence): void {
    if (this.#isStopped || evidence.kind === 'probe-passed') return
    const key = keyOf(evidence)
    this.#waiting.delete(key)
    this.#waiting.set(key, evidence)
    this.#bound()
    this.#schedule()
  }

  /** Tells what is left, once. */
  async stop(): Promise<void> {
    this.#isStopped = true
    clearTimeout(this.#timer)
    await this.#sending
    if (this.#waiting.size > 0) await this.#flush()
  }

  #bound(): void {
    while (this.#waiting.size > maxEvidence) this.#waiting.delete(this.#waiting.keys().next().value!)
  }

  #schedule(): void {
    if (this.#timer || this.#sending || this.#isStopped) return
    this.#timer = setTimeout(
      () => {
        this.#timer = undefined
        this.#sending = this.#flush().finally(() => {
          this.#sending = undefined
          if (this.#waiting.size > 0) this.#schedule()
        })
      },
      // Never longer than the longest pause: the clock may have been set back.
      Math.min(maxBackoffMs, Math.max(0, this.#nextAtMs - this.#parts.now())),
    )
    this.#timer.unref()
  }

  async #flush(): Promise<void> {
    const { send, now, log } = this.#parts
    const taken = this.#waiting
    this.#waiting = new Map()
    const fresh = [...taken.values()].filter(({ atMs }) => now() - atMs <= evidenceLifeMs)
    if (fresh.length === 0) return
    this.#nextAtMs = now() + paceMs
    try {
      await send(fresh)
      if (this.#failures > 0) log.info('the mirror role takes what this front door sees again')
      this.#failures = 0
    } catch (error) {
      this.#failures++
      this.#nextAtMs = now() + Math.min(paceMs * 2 ** (this.#failures - 1), maxBackoffMs)
      if (this.#failures === 1)
        log.warn({ err: error }, 'the mirror role does not take what this front door sees; it is told later')
      // What came meanwhile is newer.
      this.#waiting = new Map([...[...taken].filter(([key]) => !this.#waiting.has(key)), ...this.#waiting])
      this.#bound()
    }
  }
}

/** Of one host: a strike counts once per client network, a miss and a failed probe once per blob. Of weak evidence the last is enough. */
function keyOf(one: ReportedEvidence): string {
  if (one.kind === 're-ask') return `${one.kind} ${one.hostId}`
  return one.kind === 'resume' || one.kind === 'return'
    ? `${one.kind} ${one.hostId} ${one.prefixKey}`
    : `${one.kind} ${one.hostId} ${one.digest}`
}
