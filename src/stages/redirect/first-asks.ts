// Who asked for what and was sent where, for those who asked once: by far the most. A table of fixed size in typed arrays, so that a
// first ask makes no object and leaves nothing for the collector.

import { digestBits, mix } from '#kit/hash-bits.ts'
import type { Candidate } from '#snapshots/index-placement.ts'
import { isWithin } from './within.ts'

const ways = 4

export class FirstAsks {
  readonly #mask: number
  /** Two words of 32 bits tell a pair of prefix and blob from another. */
  readonly #high: Int32Array
  readonly #low: Int32Array
  readonly #startedMs: Float64Array
  readonly #sentTo: (Candidate | undefined)[]
  readonly #windowMs: number
  #keyHigh = 0
  #keyLow = 0

  constructor({ windowMs, maxEntries }: { readonly windowMs: number; readonly maxEntries: number }) {
    const size = 2 ** Math.max(2, Math.floor(Math.log2(maxEntries)))
    this.#windowMs = windowMs
    this.#mask = size / ways - 1
    this.#high = new Int32Array(size)
    this.#low = new Int32Array(size)
    this.#startedMs = new Float64Array(size)
    this.#sentTo = new Array<Candidate | undefined>(size).fill(undefined)
  }

  /** Takes the pair out of the table, if it is there and its window has not passed. */
  take(
    prefixKey: number,
    digest: string,
    nowMs: number,
  ): { readonly sentTo: Candidate; readonly startedMs: number } | undefined {
    const place = this.#find(prefixKey, digest)
    const sentTo = place < 0 ? undefined : this.#sentTo[place]
    if (!sentTo) return undefined
    const startedMs = this.#startedMs[place]!
    this.#sentTo[place] = undefined
    this.#startedMs[place] = 0
    return isWithin(this.#windowMs, startedMs, nowMs) ? { sentTo, startedMs } : undefined
  }

  peek(prefixKey: number, digest: string): { readonly sentTo: Candidate; readonly startedMs: number } | undefined {
    const place = this.#find(prefixKey, digest)
    const sentTo = place < 0 ? undefined : this.#sentTo[place]
    return sentTo && { sentTo, startedMs: this.#startedMs[place]! }
  }

  /** Of the places that it may have, the oldest gives way. */
  put(prefixKey: number, digest: string, sentTo: Candidate, nowMs: number): void {
    let place = this.#find(prefixKey, digest)
    if (place < 0) {
      const first = (this.#keyLow & this.#mask) * ways
      place = first
      for (let i = first + 1; i < first + ways; i++) if (this.#ageOf(i, nowMs) > this.#ageOf(place, nowMs)) place = i
    }
    this.#high[place] = this.#keyHigh
    this.#low[place] = this.#keyLow
    this.#startedMs[place] = nowMs
    this.#sentTo[place] = sentTo
  }

  /** Of what a clock said that was set back since: the greatest. */
  #ageOf(place: number, nowMs: number): number {
    const startedMs = this.#startedMs[place]!
    return startedMs - nowMs > this.#windowMs ? Number.POSITIVE_INFINITY : nowMs - startedMs
  }

  #find(prefixKey: number, digest: string): number {
    const upper = Math.floor(prefixKey / 0x1_0000_0000)
    this.#keyLow = mix(mix(prefixKey | 0) ^ digestBits(digest, 7))
    this.#keyHigh = mix(mix(upper ^ this.#keyLow) ^ digestBits(digest, 15))
    const first = (this.#keyLow & this.#mask) * ways
    for (let i = first; i < first + ways; i++) {
      if (this.#low[i] === this.#keyLow && this.#high[i] === this.#keyHigh && this.#sentTo[i]) return i
    }
    return -1
  }
}
