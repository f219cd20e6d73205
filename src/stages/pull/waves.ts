// In which order and when replicas hear of a generation. The first wave is as large as the seeds, each later one twice the one before,
// because twice as many hosts have something to give by then:
//
//   wave      0        1         2          3                (with 8 seeds)
//   places    0-7      8-23      24-55      56-119
//   from      start    + wave    + 2 waves  + 3 waves        and inside a wave at random

export type WaveOptions = {
  readonly seeds: number
  readonly waveMs: number
  /** Beyond it a replica is told another time when it asks again. */
  readonly maxRemembered: number
}

export class Waves {
  readonly generation: number
  readonly #startMs: number
  readonly #options: WaveOptions
  readonly #random: () => number
  readonly #releaseMs = new Map<string, number>()
  readonly #before: { readonly generation: number; readonly releaseMs: ReadonlyMap<string, number> } | undefined
  #places = 0

  constructor(
    { generation, startMs }: { readonly generation: number; readonly startMs: number },
    options: WaveOptions,
    random: () => number,
    before?: Waves,
  ) {
    this.generation = generation
    this.#startMs = startMs
    this.#options = options
    this.#random = random
    this.#before = before && { generation: before.generation, releaseMs: before.#releaseMs }
  }

  /** When this replica, which has generation `after`, may begin. The next place in the order is its own from the first time that it is
   *  asked for; one that it had for the generation before and has not used stays good, or many publications would put it off for ever. */
  releaseMs(key: string, after: number): number {
    const known = this.#releaseMs.get(key)
    if (known !== undefined) return known
    const before = this.#before && after < this.#before.generation ? this.#before.releaseMs.get(key) : undefined
    const { seeds, waveMs, maxRemembered } = this.#options
    const wave = Math.floor(Math.log2(this.#places++ / seeds + 1))
    const startMs = this.#startMs + (wave === 0 ? 0 : (wave + this.#random()) * waveMs)
    const releaseMs = before === undefined ? startMs : Math.min(startMs, before)
    if (this.#releaseMs.size < maxRemembered) this.#releaseMs.set(key, releaseMs)
    return releaseMs
  }
}
