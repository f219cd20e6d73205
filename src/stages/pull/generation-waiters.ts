// Replicas that wait for the next generation of one channel, each behind a request that is held. `tick` is their clock.

import type { Replica } from './asker.ts'
import type { TreeGeneration } from './replica-gate.ts'
import { type WaveOptions, Waves } from './waves.ts'

export type WaiterOptions = WaveOptions & {
  readonly holdMs: number
  readonly waiters: number
  readonly waitersPerNetwork: number
  /** A generation is old enough to copy when front doors had the time to take it up: users come first. */
  readonly headStartMs: number
}

/** `generation`: there is a newer one, to be begun in so many seconds. */
export type News = { readonly generation: number; readonly afterSeconds: number } | 'nothing-new' | 'too-many'

export type WaiterParts = {
  /** Larger goes first; 0 for whoever is no host of ours. */
  readonly rankOf: (replica: Replica) => number
  readonly currentGeneration: () => TreeGeneration | undefined
  readonly random: () => number
  readonly now: () => number
}

type Waiter = {
  readonly replica: Replica
  readonly after: number
  readonly untilMs: number
  readonly answer: (news: News) => void
}

export class GenerationWaiters {
  readonly #parts: WaiterParts
  readonly #options: WaiterOptions
  readonly #waiting = new Set<Waiter>()
  readonly #byNetwork = new Map<number, number>()
  #waves: Waves | undefined
  #isStopped = false

  constructor(parts: WaiterParts, options: WaiterOptions) {
    this.#parts = parts
    this.#options = options
  }

  get count(): number {
    return this.#waiting.size
  }

  /** Resolves at once when generation `after` is not the newest, else when there is news, the hold is over, or the asker has gone. */
  wait(replica: Replica, after: number, gone: AbortSignal | undefined): Promise<News> {
    this.#lookForNews()
    const waves = this.#waves
    if (waves && waves.generation > after) {
      const leftMs = waves.releaseMs(replica.key, after) - this.#parts.now()
      return Promise.resolve(newsOf(waves, leftMs))
    }
    if (this.#isStopped || gone?.aborted) return Promise.resolve('nothing-new')
    const network = replica.client.prefixKey
    const neighbours = this.#byNetwork.get(network) ?? 0
    if (this.#waiting.size >= this.#options.waiters || neighbours >= this.#options.waitersPerNetwork)
      return Promise.resolve('too-many')
    this.#byNetwork.set(network, neighbours + 1)
    return new Promise((answer) => {
      const waiter = { replica, after, untilMs: this.#parts.now() + this.#options.holdMs, answer }
      this.#waiting.add(waiter)
      gone?.addEventListener('abort', () => this.#end(waiter, 'nothing-new'))
    })
  }

  /** Answers those whose time has come. */
  tick(): void {
    this.#lookForNews()
    const nowMs = this.#parts.now()
    const waves = this.#waves
    for (const waiter of this.#waiting) {
      const isOver = waiter.untilMs <= nowMs
      if (waves && waves.generation > waiter.after) {
        const leftMs = waves.releaseMs(waiter.replica.key, waiter.after) - nowMs
        if (leftMs <= 0 || isOver) this.#end(waiter, newsOf(waves, leftMs))
      } else if (isOver) this.#end(waiter, 'nothing-new')
    }
  }

  /** Nobody is held any longer. */
  stop(): void {
    this.#isStopped = true
    for (const waiter of this.#waiting) this.#end(waiter, 'nothing-new')
  }

  #lookForNews(): void {
    const current = this.#parts.currentGeneration()
    if (!current || current.generation === this.#waves?.generation) return
    const startMs = current.sinceMs + this.#options.headStartMs
    const { generation } = current
    const waves = new Waves({ generation, startMs }, this.#options, this.#parts.random, this.#waves)
    this.#waves = waves
    // The hosts that can give most to others first; all others by lot.
    const places = [...this.#waiting].map(({ replica, after }) => {
      return { key: replica.key, after, rank: this.#parts.rankOf(replica), lot: this.#parts.random() }
    })
    for (const { key, after } of places.sort((a, b) => b.rank - a.rank || a.lot - b.lot)) waves.releaseMs(key, after)
  }

  #end(waiter: Waiter, news: News): void {
    if (!this.#waiting.delete(waiter)) return
    const network = waiter.replica.client.prefixKey
    const left = this.#byNetwork.get(network)! - 1
    if (left > 0) this.#byNetwork.set(network, left)
    else this.#byNetwork.delete(network)
    waiter.answer(news)
  }
}

function newsOf({ generation }: Waves, leftMs: number): News {
  return { generation, afterSeconds: Math.max(0, Math.ceil(leftMs / 1000)) }
}
