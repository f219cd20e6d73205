// Budgets that fill up again slowly, one for each key. A full one is as good as none, so only those in use are remembered.

export type TokenBucketOptions = {
  readonly most: number
  /** One token comes back in this time. */
  readonly refillMs: number
  /** Beyond it the one that was used longest ago is forgotten. */
  readonly maxEntries: number
}

type Bucket = { tokens: number; atMs: number }

export class TokenBuckets {
  readonly #options: TokenBucketOptions
  readonly #buckets = new Map<string, Bucket>()

  constructor(options: TokenBucketOptions) {
    this.#options = options
  }

  /** Takes `count` tokens if they are there, whole or not at all. */
  take(key: string, count: number, nowMs: number): boolean {
    const bucket = this.#filled(key, nowMs)
    // A refill in many small steps adds up to a whole token less the error of its sums.
    if (bucket.tokens + 1e-9 < count) return false
    bucket.tokens -= count
    this.#keep(key, bucket)
    return true
  }

  /** Takes `count` tokens if any is there, be they fewer: what was taken beyond them is owed, and nobody takes more before it is paid. */
  borrow(key: string, count: number, nowMs: number): boolean {
    if (this.#filled(key, nowMs).tokens < 1e-9) return false
    this.charge(key, count, nowMs)
    return true
  }

  /** Takes `count` tokens whether they are there or not. */
  charge(key: string, count: number, nowMs: number): void {
    const bucket = this.#filled(key, nowMs)
    bucket.tokens -= count
    this.#keep(key, bucket)
  }

  /** For tokens that were taken and not used. */
  giveBack(key: string, count: number): void {
    const bucket = this.#buckets.get(key)
    if (bucket) bucket.tokens = Math.min(this.#options.most, bucket.tokens + count)
  }

  /** Until `count` tokens are there. */
  waitMs(key: string, count: number, nowMs: number): number {
    return Math.max(0, count - this.#filled(key, nowMs).tokens) * this.#options.refillMs
  }

  #keep(key: string, bucket: Bucket): void {
    this.#buckets.delete(key)
    this.#buckets.set(key, bucket)
    if (this.#buckets.size > this.#options.maxEntries) this.#buckets.delete(this.#buckets.keys().next().value!)
  }

  #filled(key: string, nowMs: number): Bucket {
    const { most, refillMs } = this.#options
    const bucket = this.#buckets.get(key)
    if (!bucket) return { tokens: most, atMs: nowMs }
    const passedMs = Math.max(0, nowMs - bucket.atMs)
    bucket.tokens = Math.min(most, bucket.tokens + passedMs / refillMs)
    bucket.atMs = nowMs
    return bucket
  }
}
