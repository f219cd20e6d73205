// First come, first served inside each group, and the groups in turn: one with a thousand entries keeps nobody else waiting.

export type FairQueueOptions = { readonly maxEntries: number; readonly maxPerGroup: number }

export class FairQueue<Entry> {
  readonly #options: FairQueueOptions
  /** In the order of their turns. */
  readonly #groups = new Map<number, Entry[]>()
  #size = 0

  constructor(options: FairQueueOptions) {
    this.#options = options
  }

  get size(): number {
    return this.#size
  }

  /** False: there is no room for it. */
  add(group: number, entry: Entry): boolean {
    const { maxEntries, maxPerGroup } = this.#options
    const entries = this.#groups.get(group)
    if (this.#size >= maxEntries || (entries?.length ?? 0) >= maxPerGroup) return false
    if (entries) entries.push(entry)
    else this.#groups.set(group, [entry])
    this.#size++
    return true
  }

  /** Whose turn it is. */
  peek(): Entry | undefined {
    return this.#groups.values().next().value?.[0]
  }

  /** Takes out what `peek` shows; its group is the last one now. */
  shift(): Entry | undefined {
    const first = this.#groups.entries().next().value
    if (!first) return undefined
    const [group, entries] = first
    this.#groups.delete(group)
    const entry = entries.shift()
    if (entries.length > 0) this.#groups.set(group, entries)
    this.#size--
    return entry
  }

  remove(group: number, entry: Entry): void {
    const entries = this.#groups.get(group)
    const at = entries?.indexOf(entry) ?? -1
    if (at < 0) return
    entries!.splice(at, 1)
    this.#size--
    if (entries!.length === 0) this.#groups.delete(group)
  }

  *[Symbol.iterator](): Iterator<Entry> {
    for (const entries of [...this.#groups.values()]) yield* [...entries]
  }
}
