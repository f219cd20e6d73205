// Longest-prefix lookup for both families: a binary trie in two typed arrays, built once, read without allocation.
// The LAST value met on the way down wins: a campus /24 inside a provider's /12 must be found before it.

import { type Address, bitsOf, type Cidr } from './address.ts'

const ipv4Root = 0
const ipv6Root = 1
const none: readonly never[] = []

function wordAt(address: Address, bit: number): number {
  return bit < 64 ? (bit < 32 ? address.w0 : address.w1) : bit < 96 ? address.w2 : address.w3
}

export class AddressTrie<T> {
  /** Two children a node, 0 for none: the roots are nobody's children. */
  readonly #children: Int32Array
  /** Index into #values plus one; 0 for none. */
  readonly #valueAt: Int32Array
  readonly #values: readonly T[]

  /** Of two entries with the same network the later one stays. */
  constructor(entries: Iterable<readonly [Cidr, T]>) {
    let children = new Int32Array(256)
    let valueAt = new Int32Array(128)
    const values: T[] = []
    let size = 2
    for (const [{ address, length }, value] of entries) {
      let node = address.family === 4 ? ipv4Root : ipv6Root
      for (let bit = 0; bit < length; bit++) {
        const slot = node * 2 + ((wordAt(address, bit) >>> (31 - (bit & 31))) & 1)
        node = children[slot]!
        if (node !== 0) continue
        if (size === valueAt.length) {
          children = grown(children)
          valueAt = grown(valueAt)
        }
        node = children[slot] = size++
      }
      valueAt[node] = values.push(value)
    }
    this.#children = children.slice(0, size * 2)
    this.#valueAt = valueAt.slice(0, size)
    this.#values = values
  }

  /** The value of the longest network that has this address. */
  find(address: Address): T | undefined {
    const bits = bitsOf(address.family)
    let node = address.family === 4 ? ipv4Root : ipv6Root
    let found = this.#valueAt[node]!
    for (let bit = 0; bit < bits; bit++) {
      node = this.#children[node * 2 + ((wordAt(address, bit) >>> (31 - (bit & 31))) & 1)]!
      if (node === 0) break
      const value = this.#valueAt[node]!
      if (value !== 0) found = value
    }
    return found === 0 ? undefined : this.#values[found - 1]
  }

  /** The values of all networks that have this address, longest first. */
  findAll(address: Address): readonly T[] {
    const bits = bitsOf(address.family)
    let found: T[] | undefined
    let node = address.family === 4 ? ipv4Root : ipv6Root
    for (let bit = 0; ; bit++) {
      const value = this.#valueAt[node]!
      if (value !== 0) found = found ? [this.#values[value - 1]!, ...found] : [this.#values[value - 1]!]
      if (bit === bits) break
      node = this.#children[node * 2 + ((wordAt(address, bit) >>> (31 - (bit & 31))) & 1)]!
      if (node === 0) break
    }
    return found ?? none
  }
}

function grown(old: Int32Array<ArrayBuffer>): Int32Array<ArrayBuffer> {
  const larger = new Int32Array(old.length * 2)
  larger.set(old)
  return larger
}
