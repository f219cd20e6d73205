// What may leave from here at once and in a second. A transfer is charged whole when it begins, so that redirects, of which nothing more
// is heard, can be counted in the same way; what it did not send comes back when it ends.
import { TokenBuckets } from '#kit/token-buckets.ts'

export type TransferLimits = {
  readonly transfers: number
  /** On average: a large blob may begin while one byte is left, and nobody else does before it is paid. 0: no limit. */
  readonly bytesPerSecond: number
}

const all = ''

export class TransferBudget {
  readonly #limits: TransferLimits
  readonly #now: () => number
  readonly #bytes: TokenBuckets | undefined
  #running = 0
  /** Called when there may be room again. */
  onRoom: () => void = () => undefined

  constructor(limits: TransferLimits, now: () => number) {
    const { bytesPerSecond } = limits
    this.#limits = limits
    this.#now = now
    this.#bytes =
      bytesPerSecond > 0
        ? new TokenBuckets({ most: bytesPerSecond, refillMs: 1000 / bytesPerSecond, maxEntries: 1 })
        : undefined
  }

  get running(): number {
    return this.#running
  }

  /** Undefined when there is no room now. `onEnd` is called before anybody hears of the room. */
  start(bytes: number, onEnd?: () => void): Transfer | undefined {
    if (this.#running >= this.#limits.transfers) return undefined
    if (this.#bytes && !this.#bytes.borrow(all, bytes, this.#now())) return undefined
    this.#running++
    return new Transfer(bytes, (unsentBytes) => {
      this.#running--
      onEnd?.()
      this.#bytes?.giveBack(all, unsentBytes)
      this.onRoom()
    })
  }

  /** For bytes that leave whether there is room or not: the rest of an answer that has begun. */
  charge(bytes: number): void {
    this.#bytes?.charge(all, bytes, this.#now())
  }
}

export class Transfer {
  readonly bytes: number
  #unsentBytes: number
  #onEnd: ((unsentBytes: number) => void) | undefined

  constructor(bytes: number, onEnd: (unsentBytes: number) => void) {
    this.bytes = bytes
    this.#unsentBytes = bytes
    this.#onEnd = onEnd
  }

  sent(bytes: number): void {
    this.#unsentBytes = Math.max(0, this.#unsentBytes - bytes)
  }

  end(): void {
    const onEnd = this.#onEnd
    this.#onEnd = undefined
    onEnd?.(this.#unsentBytes)
  }
}
