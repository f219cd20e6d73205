// Runs due jobs in this process, one after another for each of its lanes, until it is stopped; then it gives back what it holds.

import { randomUUID } from 'node:crypto'
import type { Catalogue } from '#catalogue/schema.ts'
import { claim } from './claim.ts'
import { heartbeat, type Job, type Lease, maxAttemptsOf, nextDueMs, settle } from './queue.ts'

export type JobControl = {
  /** Aborted when the job is canceled, its lease is lost or the process stops. */
  readonly signal: AbortSignal
  /** Kept with the job at the next heartbeat. */
  progress(value: unknown): void
}

export type JobHandler = (payload: unknown, control: JobControl) => Promise<unknown>

export type RunnerOptions = {
  readonly lanes: number
  readonly leaseMs: number
  readonly pollMs: number
  readonly now: () => number
  readonly log: (message: string, error: unknown) => void
}

const retryMs = (attempts: number) => Math.min(5 * 60_000, 1000 * 2 ** attempts)

export class JobRunner {
  readonly #catalogue: Catalogue
  readonly #handlers: Readonly<Record<string, JobHandler>>
  readonly #kinds: readonly string[]
  readonly #options: RunnerOptions
  readonly #lease: Lease
  readonly #stopping = new AbortController()
  #lanes: Promise<void>[] = []
  /** Counted, so that a nudge which comes while the queue is read is not lost. */
  #nudges = 0
  readonly #waiting = new Set<() => void>()
  #busy = 0

  constructor(catalogue: Catalogue, handlers: Readonly<Record<string, JobHandler>>, options: RunnerOptions) {
    this.#catalogue = catalogue
    this.#handlers = handlers
    this.#kinds = Object.keys(handlers)
    this.#options = options
    this.#lease = { owner: randomUUID(), leaseMs: options.leaseMs }
  }

  start(): void {
    this.#lanes = Array.from({ length: this.#options.lanes }, () => this.#runLane())
  }

  /** Looks for due jobs now rather than at the next poll. */
  nudge(): void {
    this.#nudges++
    for (const wake of this.#waiting) wake()
  }

  /** Resolves when no job is due and none is running, or after `limitMs`: for tests and for orderly beginnings. */
  async drain(limitMs = Number.POSITIVE_INFINITY): Promise<void> {
    const endMs = performance.now() + limitMs
    while (performance.now() < endMs) {
      const dueMs = await nextDueMs(this.#catalogue, this.#kinds)
      const isDue = dueMs !== undefined && dueMs <= this.#options.now()
      if (!isDue && this.#busy === 0) return
      if (isDue) this.nudge()
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
  }

  async stop(): Promise<void> {
    this.#stopping.abort(new Error('the worker is stopping'))
    this.nudge()
    await Promise.all(this.#lanes)
  }

  async #runLane(): Promise<void> {
    while (!this.#stopping.signal.aborted) {
      const nudges = this.#nudges
      this.#busy++
      const hasRun = await this.#runNext()
        .catch((error) => this.#options.log('the job queue could not be used', error))
        .finally(() => this.#busy--)
      if (!hasRun && nudges === this.#nudges) await this.#wait()
    }
  }

  async #runNext(): Promise<boolean> {
    const job = await claim(this.#catalogue, this.#kinds, this.#lease, this.#options.now())
    // Stopped while the queue was read: a handler that begins now might never hear of it.
    if (job && this.#stopping.signal.aborted) await this.#giveBack(job)
    else if (job) await this.#run(job)
    return job !== undefined
  }

  #wait(): Promise<void> {
    return new Promise((resolve) => {
      const wake = () => {
        clearTimeout(timer)
        this.#waiting.delete(wake)
        resolve()
      }
      const timer = setTimeout(wake, this.#options.pollMs)
      this.#waiting.add(wake)
    })
  }

  async #run(job: Job): Promise<void> {
    const own = new AbortController()
    const signal = AbortSignal.any([own.signal, this.#stopping.signal])
    let latest: unknown
    let isCanceled = false
    let isLost = false
    const beat = async () => {
      const held = await heartbeat(this.#catalogue, job.id, this.#lease, latest, this.#options.now())
      isCanceled = held === 'cancel'
      isLost = held === 'lost'
      if (held !== 'held') own.abort(new Error(held === 'cancel' ? 'the job was canceled' : 'the lease was lost'))
    }
    const timer = setInterval(() => {
      beat().catch((error) => this.#options.log(`job ${job.id} could not renew its lease`, error))
    }, this.#options.leaseMs / 3)
    try {
      const result = await this.#handlers[job.kind]!(job.payload, {
        signal,
        progress: (value) => {
          latest = value
        },
      })
      if (latest !== undefined) await beat()
      await this.#settle(job, { state: 'done', result })
    } catch (error) {
      if (isLost) return
      if (isCanceled) await this.#settle(job, { state: 'canceled' })
      else if (this.#stopping.signal.aborted) await this.#giveBack(job)
      else await this.#fail(job, error)
    } finally {
      clearInterval(timer)
    }
  }

  async #fail(job: Job, error: unknown): Promise<void> {
    this.#options.log(`job ${job.kind} ${job.id} failed in attempt ${job.attempts}`, error)
    const message = error instanceof Error ? error.message : String(error)
    const { attempts, max_attempts } = await maxAttemptsOf(this.#catalogue, job.id)
    if (attempts >= max_attempts) await this.#settle(job, { state: 'failed', error: message })
    else await this.#settle(job, { state: 'waiting', runAtMs: this.#options.now() + retryMs(attempts), error: message })
  }

  async #giveBack(job: Job): Promise<void> {
    await this.#settle(job, { state: 'waiting', runAtMs: this.#options.now() })
  }

  async #settle(job: Job, outcome: Parameters<typeof settle>[3]): Promise<void> {
    await settle(this.#catalogue, job.id, this.#lease, outcome, this.#options.now())
  }
}
