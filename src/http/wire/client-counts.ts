// How many connections each client prefix (/24 or /48) has open, so that nobody takes all of them.
import { parseAddress, prefixKey } from '#kit/address.ts'

export class ClientCounts {
  readonly #most: number
  readonly #open = new Map<number, number>()

  constructor(most: number) {
    this.#most = most
  }

  /** The place to give back with `leave`; undefined: the prefix has as many as it may. What is no IP address shares one place. */
  enter(peer: string): number | undefined {
    const address = parseAddress(peer)
    const key = address ? prefixKey(address) : -1
    const open = this.#open.get(key) ?? 0
    if (open >= this.#most) return undefined
    this.#open.set(key, open + 1)
    return key
  }

  leave(key: number): void {
    const open = this.#open.get(key) ?? 0
    if (open > 1) this.#open.set(key, open - 1)
    else this.#open.delete(key)
  }

  get prefixes(): number {
    return this.#open.size
  }
}
