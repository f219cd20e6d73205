// A limit on bytes per second over all connections of a run: whoever has read something waits until its time has come, and
// meanwhile the connection fills up and slows the other side down.

export type Wait = (ms: number, stop: AbortSignal) => Promise<void>

export class Pace {
  readonly #bytesPerMs: number
  readonly #now: () => number
  readonly #wait: Wait
  #paidUntilMs = 0

  /** 0: no limit. */
  constructor(bytesPerSecond: number, now: () => number, wait: Wait) {
    this.#bytesPerMs = bytesPerSecond / 1000
    this.#now = now
    this.#wait = wait
  }

  /** Resolves when so many bytes more may have come. */
  async take(bytes: number, stop: AbortSignal): Promise<void> {
    if (this.#bytesPerMs === 0) return
    const nowMs = this.#now()
    // Time that nobody used is not saved up: a pause must not end in a burst.
    this.#paidUntilMs = Math.max(this.#paidUntilMs, nowMs) + bytes / this.#bytesPerMs
    await this.#wait(this.#paidUntilMs - nowMs, stop)
  }
}
