// The budget of what leaves from here as origin, and those who wait for room in it. Waiting is safe: no client gives up within half a
// minute. Failing is not: a 429 ends a pull of docker or containerd within a second.
import { FairQueue } from '#kit/fair-queue.ts'
import { BoundedCounts } from './bounded-counts.ts'
import { type Transfer, TransferBudget, type TransferLimits } from './transfer-budget.ts'

export type OriginLimits = TransferLimits & {
  /** Of one client prefix: whoever reads slowly keeps a transfer for long, and must not keep all. */
  readonly transfersPerPrefix: number
  /** The longest that a client waits for room. */
  readonly waitMs: number
  readonly maxWaiting: number
  readonly maxWaitingPerPrefix: number
  /** How often one that waits looks for something better. */
  readonly lookMs: number
}

export const originLimitDefaults: OriginLimits = {
  transfers: 512,
  transfersPerPrefix: 256,
  bytesPerSecond: 0,
  waitMs: 20_000,
  maxWaiting: 1_000,
  maxWaitingPerPrefix: 50,
  lookMs: 2_000,
}

/** The budget fills while nobody tells. */
const beatMs = 100

export type OriginAsk<Other> = {
  readonly prefixKey: number
  readonly bytes: number
  /** Aborts when the client hangs up. */
  readonly gone: AbortSignal | undefined
  /** Something better than going on waiting; asked for at once and now and then. */
  readonly instead: () => Other | undefined
}

/** late: its time is over. full: too many wait. */
export type Outcome<Other> = { readonly transfer: Transfer } | { readonly instead: Other } | 'late' | 'full' | 'gone'

type Waiting = {
  readonly ask: OriginAsk<unknown>
  readonly untilMs: number
  lookAtMs: number
  readonly settle: (outcome: Outcome<unknown>) => void
}

export class OriginBudget {
  readonly #limits: OriginLimits
  readonly #now: () => number
  readonly #budget: TransferBudget
  readonly #queue: FairQueue<Waiting>
  readonly #ofPrefix: BoundedCounts
  readonly #hasShare = (prefixKey: number) => this.#ofPrefix.hasRoom(prefixKey)
  #beat: Timer | undefined

  constructor(limits: OriginLimits, now: () => number) {
    this.#limits = limits
    this.#now = now
    this.#budget = new TransferBudget(limits, now)
    this.#budget.onRoom = () => this.#letIn()
    this.#ofPrefix = new BoundedCounts(Number.POSITIVE_INFINITY, limits.transfersPerPrefix)
    this.#queue = new FairQueue({ maxEntries: limits.maxWaiting, maxPerGroup: limits.maxWaitingPerPrefix })
  }

  get running(): number {
    return this.#budget.running
  }

  get waiting(): number {
    return this.#queue.size
  }

  /** Undefined when there is no room, or somebody waits for it already who may have it. */
  start(bytes: number, prefixKey: number): Transfer | undefined {
    return this.#queue.peek(this.#hasShare) ? undefined : this.#begin(bytes, prefixKey)
  }

  #begin(bytes: number, prefixKey: number): Transfer | undefined {
    if (!this.#ofPrefix.hasRoom(prefixKey)) return undefined
    const transfer = this.#budget.start(bytes, () => this.#ofPrefix.leave(prefixKey))
    if (transfer) this.#ofPrefix.enter(prefixKey)
    return transfer
  }

  charge(bytes: number): void {
    this.#budget.charge(bytes)
  }

  wait<Other>(ask: OriginAsk<Other>): Promise<Outcome<Other>> {
    const other = ask.instead()
    if (other !== undefined) return Promise.resolve({ instead: other })
    if (ask.gone?.aborted) return Promise.resolve('gone')
    const nowMs = this.#now()
    const { promise, resolve } = Promise.withResolvers<Outcome<Other>>()
    const waiting: Waiting = {
      ask,
      untilMs: nowMs + this.#limits.waitMs,
      lookAtMs: nowMs + this.#limits.lookMs,
      settle: (outcome) => {
        ask.gone?.removeEventListener('abort', leave)
        resolve(outcome as Outcome<Other>)
      },
    }
    const leave = () => this.#leave(waiting, 'gone')
    if (!this.#queue.add(ask.prefixKey, waiting)) return Promise.resolve('full')
    ask.gone?.addEventListener('abort', leave, { once: true })
    this.#beat ??= setInterval(() => this.review(), beatMs)
    return promise
  }

  /** What the time brings: room, an end of patience, something better. */
  review(): void {
    this.#letIn()
    const nowMs = this.#now()
    for (const waiting of this.#queue) {
      if (nowMs >= waiting.untilMs) this.#leave(waiting, 'late')
      else if (nowMs >= waiting.lookAtMs) {
        waiting.lookAtMs = nowMs + this.#limits.lookMs
        const instead = waiting.ask.instead()
        if (instead !== undefined) this.#leave(waiting, { instead })
      }
    }
    this.#rest()
  }

  #letIn(): void {
    for (let next = this.#queue.peek(this.#hasShare); next; next = this.#queue.peek(this.#hasShare)) {
      const transfer = this.#begin(next.ask.bytes, next.ask.prefixKey)
      if (!transfer) return
      this.#queue.shift(this.#hasShare)
      next.settle({ transfer })
    }
    this.#rest()
  }

  #leave(waiting: Waiting, outcome: Outcome<unknown>): void {
    this.#queue.remove(waiting.ask.prefixKey, waiting)
    waiting.settle(outcome)
    this.#rest()
  }

  #rest(): void {
    if (this.#queue.size > 0) return
    clearInterval(this.#beat)
    this.#beat = undefined
  }
}
