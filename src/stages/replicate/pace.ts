// A limit on bytes per second over all connections of a run: whoever has read something waits until its time has come, and
// meanwhile the connection fills up and slows the other side down.

export type Wait = (ms: number, stop: AbortSignal) => Promise<void>

export class Pace {
  readonly #rate: () => number
  readonly #now: () => number
  readonly #wait: Wait
  #paidUntilMs = 0

  /** `rate`: bytes per second as of now, 0 without a limit; what it throws ends the transfer. */
  constructor(rate: () => number, now: () => number, wait: Wait) {
    this.#rate = rate
    this.#now = now
    this.#wait = wait
  }

  /** Resolves when so many bytes more may have come. */
  async take(bytes: number, stop: AbortSignal): Promise<void> {
    const bytesPerMs = this.#rate() / 1000
    if (bytesPerMs === 0) return
    const nowMs = this.#now()
    // Time that nobody used is not saved up: a pause must not end in a burst.
    this.#paidUntilMs = Math.max(this.#paidUntilMs, nowMs) + bytes / bytesPerMs
    await this.#wait(this.#paidUntilMs - nowMs, stop)
  }
}
