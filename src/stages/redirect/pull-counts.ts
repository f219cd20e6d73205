// How often each blob that travels is pulled, for the list by which small copies choose what they keep. Addresses are only ever bits
// of a place in a table in memory: what leaves this file is digests and numbers.

import { digestBits, mix } from '#kit/hash-bits.ts'
import type { FrontCounters } from './counters.ts'
import { isWithin } from './within.ts'

export type PullCountOptions = {
  /** After a pull that counted, the same prefix and blob count no more for so long: re-asks, parts and second tries. */
  readonly windowMs: number
  /** Most that one prefix adds to one blob in a day (UTC), so that nobody lifts a blob by asking on and on. */
  readonly maxPerPrefixAndDay: number
  /** Most blobs whose pulls wait to be handed over. */
  readonly maxDigests: number
  /** Places for pairs of prefix and blob; a power of two, 5 bytes each. */
  readonly places: number
}

export const pullCountDefaults: PullCountOptions = {
  windowMs: 300_000,
  maxPerPrefixAndDay: 4,
  maxDigests: 20_000,
  places: 2 ** 20,
}

/** Pulls by digest since the last time. */
export type CountedPulls = ReadonlyMap<string, number>

const dayS = 86_400

/**
 * Pairs that fall on one place share its window and its share of the day: so it never counts too much, and where it counts too
 * little it does so for all blobs alike, because the seed decides who shares with whom.
 */
export class PullCounts {
  readonly #options: PullCountOptions
  readonly #counters: FrontCounters
  readonly #seed: number
  readonly #countedAtS: Uint32Array
  readonly #countedOfDay: Uint8Array
  #counts = new Map<string, number>()

  constructor(options: PullCountOptions, counters: FrontCounters, random: () => number) {
    this.#options = options
    this.#counters = counters
    this.#seed = Math.floor(random() * 2 ** 32) | 0
    this.#countedAtS = new Uint32Array(options.places)
    this.#countedOfDay = new Uint8Array(options.places)
  }

  /** A client asked for the bytes of the blob, in any shape but the rest of a broken transfer. */
  note(prefixKey: number, digest: string, nowMs: number): void {
    const place = this.#placeOf(prefixKey, digest)
    const nowS = Math.floor(nowMs / 1000)
    const lastS = this.#countedAtS[place]!
    if (isWithin(this.#options.windowMs / 1000, lastS, nowS)) return
    const isSameDay = Math.floor(nowS / dayS) === Math.floor(lastS / dayS)
    const ofDay = isSameDay ? this.#countedOfDay[place]! : 0
    if (ofDay >= this.#options.maxPerPrefixAndDay) return
    if (!this.#add(digest, 1)) return
    this.#counters.pullsCounted++
    this.#countedAtS[place] = nowS
    this.#countedOfDay[place] = ofDay + 1
  }

  /** Hands over what was counted, and starts anew. */
  take(): CountedPulls {
    const counts = this.#counts
    if (counts.size > 0) this.#counts = new Map()
    return counts
  }

  #add(digest: string, pulls: number): boolean {
    const before = this.#counts.get(digest)
    if (before === undefined && this.#counts.size >= this.#options.maxDigests) {
      this.#counters.pullsNotKept += pulls
      return false
    }
    this.#counts.set(digest, (before ?? 0) + pulls)
    return true
  }

  #placeOf(prefixKey: number, digest: string): number {
    const upper = Math.floor(prefixKey / 0x1_0000_0000)
    const prefix = mix(mix((prefixKey | 0) ^ this.#seed) ^ upper)
    return mix(mix(prefix ^ digestBits(digest, 7)) ^ digestBits(digest, 15)) & (this.#options.places - 1)
  }
}
