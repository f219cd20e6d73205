// Keeps a host's presence while a crawl runs: verdicts arrive out of order, the proven generation moves only over settled ones.

import type { Presence, TreeBlob } from './host-records.ts'

export class PresenceBook {
  #generation: number
  readonly #missing: Set<string>
  /** Proven blobs of later generations. */
  readonly #extra: Set<string>
  /** Settled blobs of generations that are not proven whole yet. */
  readonly #later = new Map<string, { readonly generation: number; readonly isHeld: boolean }>()
  /** Blobs begun and not settled, by generation. */
  readonly #open = new Map<number, number>()
  #listedTo: number
  #blockedAt = Number.POSITIVE_INFINITY

  constructor(presence: Presence) {
    this.#generation = presence.generation
    this.#missing = new Set(presence.missing)
    this.#extra = new Set(presence.extra)
    this.#listedTo = presence.generation
  }

  get generation(): number {
    return this.#generation
  }

  listMissing(): string[] {
    return [...this.#missing]
  }

  isProven(blob: TreeBlob): boolean {
    return blob.generation <= this.#generation ? !this.#missing.has(blob.digest) : this.#extra.has(blob.digest)
  }

  /** Told of every blob after the proven generation, in order of generation, before it is looked at. */
  begin(blob: TreeBlob): void {
    this.#listedTo = Math.max(this.#listedTo, blob.generation)
    this.#open.set(blob.generation, (this.#open.get(blob.generation) ?? 0) + 1)
  }

  /** The verdict on a begun blob; undefined: it could not be told, so its generation stays unproven. */
  settle(blob: TreeBlob, isHeld: boolean | undefined): void {
    const left = this.#open.get(blob.generation)! - 1
    if (left > 0) this.#open.set(blob.generation, left)
    else this.#open.delete(blob.generation)
    if (isHeld === undefined) this.#blockedAt = Math.min(this.#blockedAt, blob.generation)
    else this.#later.set(blob.digest, { generation: blob.generation, isHeld })
    if (isHeld === true) this.#extra.add(blob.digest)
    if (isHeld === false) this.#extra.delete(blob.digest)
    // More of the generation that is being listed may follow.
    if (left === 0) this.#advance(this.#listedTo - 1)
  }

  /** The verdict on a blob of a proven generation, or that it has left the tree. */
  correct(digest: string, isHeld: boolean): void {
    if (isHeld) this.#missing.delete(digest)
    else this.#missing.add(digest)
  }

  /** The tree has been listed to the end of this generation. */
  finish(generation: number): void {
    this.#listedTo = generation
    this.#advance(generation)
  }

  #advance(most: number): void {
    let to = Math.min(most, this.#blockedAt - 1)
    for (const open of this.#open.keys()) to = Math.min(to, open - 1)
    if (to <= this.#generation) return
    this.#generation = to
    for (const [digest, { generation, isHeld }] of this.#later) {
      if (generation > to) continue
      this.#later.delete(digest)
      this.#extra.delete(digest)
      if (!isHeld) this.#missing.add(digest)
    }
  }

  toPresence(): Presence {
    return { generation: this.#generation, missing: [...this.#missing].sort(), extra: [...this.#extra].sort() }
  }
}
