/**
 * Immutable bytes by name, read once and kept while they are asked for, within a bound. Two generations of entries: the younger takes
 * reads and writes; when it is full it becomes the older, and the older is dropped.
 */
export class BytesCache {
  readonly #maxBytes: number
  #young = new Map<string, Uint8Array>()
  #old = new Map<string, Uint8Array>()
  #youngBytes = 0
  readonly #reading = new Map<string, Promise<Uint8Array>>()

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  /** The bytes if they are at hand. */
  find(name: string): Uint8Array | undefined {
    const bytes = this.#young.get(name)
    if (bytes) return bytes
    const older = this.#old.get(name)
    if (older) this.#keep(name, older)
    return older
  }

  /** Loads them; one load, however many wait. A load that fails is not remembered. */
  load(name: string, load: () => Promise<Uint8Array>): Promise<Uint8Array> {
    let reading = this.#reading.get(name)
    if (!reading) {
      reading = load().finally(() => this.#reading.delete(name))
      this.#reading.set(name, reading)
      void reading.then(
        (bytes) => this.#keep(name, bytes),
        () => undefined,
      )
    }
    return reading
  }

  #keep(name: string, bytes: Uint8Array): void {
    if (this.#young.has(name)) return
    if (this.#youngBytes + bytes.length > this.#maxBytes / 2) {
      this.#old = this.#young
      this.#young = new Map()
      this.#youngBytes = 0
    }
    if (bytes.length > this.#maxBytes / 2) return
    this.#young.set(name, bytes)
    this.#youngBytes += bytes.length
  }
}
