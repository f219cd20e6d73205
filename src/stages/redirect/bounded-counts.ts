/** How many of something are under way, in all and of each client prefix, within bounds. */
export class BoundedCounts {
  readonly #most: number
  readonly #mostEach: number
  readonly #each = new Map<number, number>()
  #all = 0

  constructor(most: number, mostEach: number) {
    this.#most = most
    this.#mostEach = mostEach
  }

  get all(): number {
    return this.#all
  }

  hasRoom(prefixKey: number): boolean {
    return this.#all < this.#most && (this.#each.get(prefixKey) ?? 0) < this.#mostEach
  }

  /** False: there is no room, and nothing was counted. */
  enter(prefixKey: number): boolean {
    if (!this.hasRoom(prefixKey)) return false
    this.#all++
    this.#each.set(prefixKey, (this.#each.get(prefixKey) ?? 0) + 1)
    return true
  }

  leave(prefixKey: number): void {
    this.#all--
    const left = this.#each.get(prefixKey)! - 1
    if (left > 0) this.#each.set(prefixKey, left)
    else this.#each.delete(prefixKey)
  }
}
