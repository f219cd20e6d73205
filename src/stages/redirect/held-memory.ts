// Memory for layers that wait whole until they are right, one budget for all streams of a front door.

export class HeldMemory {
  readonly #mostBytes: number
  #heldBytes = 0

  constructor(mostBytes: number) {
    this.#mostBytes = mostBytes
  }

  get heldBytes(): number {
    return this.#heldBytes
  }

  /** False: there is no room for so much. */
  take(bytes: number): boolean {
    if (this.#heldBytes + bytes > this.#mostBytes) return false
    this.#heldBytes += bytes
    return true
  }

  giveBack(bytes: number): void {
    this.#heldBytes -= bytes
  }
}
