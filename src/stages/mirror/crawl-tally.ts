// Counts what a crawl costs and finds, and says when and why it is over.

import type { CrawlFault, CrawlOutcome, CrawlRecord } from './host-records.ts'
import type { Sample } from './sample-blob.ts'

export type CrawlBudget = { readonly maxRequests: number; readonly maxSampledBytes: number; readonly maxMs: number }

const mostFaults = 10
/** So many unanswered requests in a row, and it is the host, not a hiccup. */
const mostTroubles = 4

export class CrawlTally {
  readonly #startedAtMs: number
  readonly #budget: CrawlBudget
  readonly #signal: AbortSignal | undefined
  readonly #faults: CrawlFault[] = []
  #outcome: CrawlOutcome = 'complete'
  #reason: string | undefined
  #held = 0
  #lacking = 0
  #requests = 0
  #bytes = 0
  #troubles = 0

  constructor(startedAtMs: number, budget: CrawlBudget, signal: AbortSignal | undefined) {
    this.#startedAtMs = startedAtMs
    this.#budget = budget
    this.#signal = signal
  }

  get isOver(): boolean {
    if (this.#reason === undefined && this.#signal?.aborted) this.end('partial', 'it was cancelled')
    return this.#reason !== undefined
  }

  /** The first reason stays. */
  end(outcome: CrawlOutcome, reason: string): void {
    if (this.#reason !== undefined) return
    this.#outcome = outcome
    this.#reason = reason
  }

  count(cost: { readonly requests: number; readonly bytes: number }, nowMs: number): void {
    this.#requests += cost.requests
    this.#bytes += cost.bytes
    const { maxRequests, maxSampledBytes, maxMs } = this.#budget
    if (this.#requests >= maxRequests) this.end('partial', `its budget of ${maxRequests} requests was used`)
    if (this.#bytes >= maxSampledBytes) this.end('partial', `its budget of ${maxSampledBytes} bytes was used`)
    if (nowMs - this.#startedAtMs >= maxMs) this.end('partial', `its time of ${maxMs} ms was over`)
  }

  judge({ verdict, fault }: Sample): void {
    if (fault && this.#faults.length < mostFaults) this.#faults.push(fault)
    this.#troubles = verdict === 'unknown' ? this.#troubles + 1 : 0
    if (verdict === 'good') this.#held++
    if (verdict === 'lacking' || verdict === 'wrong') this.#lacking++
    const told = fault ? `${fault.url}: expected ${fault.expected}, came ${fault.came}` : ''
    if (verdict === 'wrong') this.end('lying', told)
    if (verdict === 'unsuitable') this.end('unsuitable', told)
    if (this.#troubles >= mostTroubles) this.end('trouble', told)
  }

  toRecord(of: { readonly hostId: number; readonly channel: string }, finishedAtMs: number): CrawlRecord {
    return {
      ...of,
      startedAtMs: this.#startedAtMs,
      finishedAtMs,
      outcome: this.#outcome,
      reason: this.#reason ?? `${this.#held} blobs are there, ${this.#lacking} are not`,
      held: this.#held,
      lacking: this.#lacking,
      requests: this.#requests,
      sampledBytes: this.#bytes,
      faults: this.#faults,
    }
  }
}
