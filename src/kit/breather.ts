// Long work on the thread that serves: it lets what waits run every few milliseconds, so that no request waits for all of it.

export class Breather {
  readonly #maxMs: number
  #sinceMs = performance.now()

  /** `maxMs`: how long others may have to wait. */
  constructor(maxMs = 2) {
    this.#maxMs = maxMs
  }

  get isDue(): boolean {
    return performance.now() - this.#sinceMs >= this.#maxMs
  }

  async pause(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve))
    this.#sinceMs = performance.now()
  }
}
