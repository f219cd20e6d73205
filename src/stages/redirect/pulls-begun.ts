// How many pulls each client network has begun lately, by the image manifests that it was given: every pull asks for one, and only
// then for blobs. So a network that asks for a blob oftener than it began pulls has a client that was failed, and a hundred machines
// behind one address do not look like one. Typed arrays of fixed size: noting makes no object.
import { mix } from '#kit/hash-bits.ts'

export type PullsBegunOptions = {
  /** A pull counts for at least so long, at most twice. */
  readonly windowMs: number
  /** Networks that are told apart; rounded down to a power of two. Two that share a place begin anew, and say nothing for a while. */
  readonly maxNetworks: number
}

export class PullsBegun {
  readonly #windowMs: number
  readonly #mask: number
  readonly #keys: Float64Array
  /** The window that `#now` counts, since the epoch of the clock. */
  readonly #windows: Float64Array
  readonly #now: Uint32Array
  readonly #before: Uint32Array

  constructor({ windowMs, maxNetworks }: PullsBegunOptions) {
    const size = 2 ** Math.max(1, Math.floor(Math.log2(maxNetworks)))
    this.#windowMs = windowMs
    this.#mask = size - 1
    this.#keys = new Float64Array(size).fill(-1)
    this.#windows = new Float64Array(size)
    this.#now = new Uint32Array(size)
    this.#before = new Uint32Array(size)
  }

  /** A client of this network was given the manifest of an image. */
  note(prefixKey: number, nowMs: number): void {
    const place = this.#placeOf(prefixKey)
    const window = Math.floor(nowMs / this.#windowMs)
    if (this.#keys[place] !== prefixKey) {
      this.#keys[place] = prefixKey
      this.#now[place] = 0
      this.#before[place] = 0
    } else if (this.#windows[place] !== window) {
      this.#before[place] = this.#windows[place] === window - 1 ? this.#now[place]! : 0
      this.#now[place] = 0
    }
    this.#windows[place] = window
    this.#now[place]!++
  }

  /** 0: none that is known of. */
  countOf(prefixKey: number, nowMs: number): number {
    const place = this.#placeOf(prefixKey)
    if (this.#keys[place] !== prefixKey) return 0
    const age = Math.floor(nowMs / this.#windowMs) - this.#windows[place]!
    if (age === 0) return this.#now[place]! + this.#before[place]!
    return age === 1 ? this.#now[place]! : 0
  }

  #placeOf(prefixKey: number): number {
    return mix(mix(prefixKey | 0) ^ Math.floor(prefixKey / 0x1_0000_0000)) & this.#mask
  }
}
