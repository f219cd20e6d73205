// One report a second from each front door; a few more in a row, since a late one must not cost the next.

export type PaceOptions = {
  /** Reports that one sender may have in hand. */
  readonly burst: number
  readonly perSecond: number
  /** Senders that are told apart; beyond, new ones wait until one has been silent. */
  readonly maxSenders: number
}

export const reportPaceDefaults: PaceOptions = { burst: 4, perSecond: 1, maxSenders: 1000 }

export class ReportPace {
  readonly #options: PaceOptions
  /** In order of their last report. */
  readonly #senders = new Map<string, { readonly left: number; readonly atMs: number }>()

  constructor(options: PaceOptions) {
    this.#options = options
  }

  /** False: too often. */
  take(sender: string, nowMs: number): boolean {
    const { burst, perSecond, maxSenders } = this.#options
    const known = this.#senders.get(sender)
    if (!known && this.#senders.size >= maxSenders && !this.#dropSilent(nowMs)) return false
    const refilled = known ? known.left + (Math.max(0, nowMs - known.atMs) / 1000) * perSecond : burst
    const left = Math.min(burst, refilled)
    if (left < 1) return false
    this.#senders.delete(sender)
    this.#senders.set(sender, { left: left - 1, atMs: nowMs })
    return true
  }

  #dropSilent(nowMs: number): boolean {
    const { burst, perSecond } = this.#options
    const [oldest] = this.#senders
    if (!oldest || nowMs - oldest[1].atMs < (burst / perSecond) * 1000) return false
    return this.#senders.delete(oldest[0])
  }
}
