// Who copies a generation first. While no host has its blobs, a few replicas get them from the origin; what they have becomes proven,
// and all others are sent there. A seed that takes nothing for a while has all it wants, or is gone: its place goes to another.

import type { Replica } from './asker.ts'

export type SeedOptions = {
  readonly seeds: number
  /** One network cannot hold all places, by accident or on purpose. */
  readonly seedsPerNetwork: number
  readonly silenceMs: number
}

type Seat = { readonly key: string; readonly network: number; readonly isHost: boolean; lastMs: number }
export type SeedAsk = Pick<Replica, 'key' | 'client'> & {
  /** A registered host, from which others will be able to copy. */
  readonly isHost: boolean
}

export class Seeds {
  readonly #options: SeedOptions
  #generation = 0
  #seats: Seat[] = []

  constructor(options: SeedOptions) {
    this.#options = options
  }

  get count(): number {
    return this.#seats.length
  }

  /** Whether this replica is a seed of this generation now. A newer generation has places of its own. */
  admit({ key, client, isHost }: SeedAsk, generation: number, nowMs: number): boolean {
    if (generation !== this.#generation) {
      this.#generation = generation
      this.#seats = []
    }
    if (this.#seats.some((seat) => seat.key === key)) return true
    const seat = { key, network: client.prefixKey, isHost, lastMs: nowMs }
    const given = this.#seatToGive(seat, nowMs)
    if (given === 'none') return false
    if (given) this.#seats.splice(this.#seats.indexOf(given), 1)
    this.#seats.push(seat)
    return true
  }

  /** It was sent bytes. */
  touch(key: string, nowMs: number): void {
    const seat = this.#seats.find((one) => one.key === key)
    if (seat) seat.lastMs = nowMs
  }

  /** undefined: a free one. Only a registered host will give on what it gets: it takes the place of one that is none. */
  #seatToGive({ network, isHost }: Seat, nowMs: number): Seat | undefined | 'none' {
    const { seeds, seedsPerNetwork, silenceMs } = this.#options
    const neighbours = this.#seats.filter((seat) => seat.network === network)
    if (neighbours.length < seedsPerNetwork && this.#seats.length < seeds) return undefined
    const rivals = neighbours.length < seedsPerNetwork ? this.#seats : neighbours
    const longestSilent = rivals.toSorted((a, b) => a.lastMs - b.lastMs)
    const silent = longestSilent.find((seat) => nowMs - seat.lastMs >= silenceMs)
    return silent ?? (isHost ? longestSilent.find((seat) => !seat.isHost) : undefined) ?? 'none'
  }
}
