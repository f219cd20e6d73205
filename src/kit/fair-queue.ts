// First come, first served inside each group, and the groups in turn: one with a thousand entries keeps nobody else waiting.

export type FairQueueOptions = { readonly maxEntries: number; readonly maxPerGroup: number }

const anyGroup = () => true

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

  /** Whose turn it is, of the groups that may have one. */
  peek(mayHave: (group: number) => boolean = anyGroup): Entry | undefined {
    for (const [group, entries] of this.#groups) if (mayHave(group)) return entries[0]
    return undefined
  }

  /** Takes out what `peek` shows; its group is the last one now. */
  shift(mayHave: (group: number) => boolean = anyGroup): Entry | undefined {
    for (const [group, entries] of this.#groups) {
      if (!mayHave(group)) continue
      this.#groups.delete(group)
      const entry = entries.shift()
      if (entries.length > 0) this.#groups.set(group, entries)
      this.#size--
      return entry
    }
    return undefined
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
