// What clients meet where probes are answered well. On evidence the very blob that a client came back for is read whole, asked for as
// clients ask: a host that is good to small closed ranges and bad to everybody else shows itself. Bounded, since anybody can ask twice.

import type { CheckTools } from './check-blob.ts'
import type { TreeBlob } from './host-records.ts'
import { readWhole } from './read-whole.ts'
import { blockAt, type ProbeLimits, readOriginRange, sampleBlob } from './sample-blob.ts'

export type ClientReadOptions = {
  /** Larger blobs are left to the crawl. */
  readonly maxBytes: number
  readonly maxRunning: number
  readonly idleMs: number
  readonly totalMs: number
  /** The pause after a read that passed, doubled with each in a row up to the longest; strikes wait for `strikeWaitMs` at most. */
  readonly firstWaitMs: number
  readonly strikeWaitMs: number
  readonly longestWaitMs: number
}

export type ClientReadTools = CheckTools & { readonly now: () => number }

export type ClientReadTarget = {
  readonly hostId: number
  readonly urls: readonly string[]
  readonly hasTicket: boolean
}

/** passed: so would a client's. failed: it is two-faced. undefined: not now, or nothing that a probe would not find. */
export type ClientRead = 'passed' | { readonly failure: string } | undefined

const blockBytes = 256

export class ClientReads {
  readonly #tools: ClientReadTools
  readonly #options: ClientReadOptions
  readonly #paces = new Map<number, { readonly startedAtMs: number; readonly waitMs: number }>()
  #running = 0

  constructor(tools: ClientReadTools, options: ClientReadOptions) {
    this.#tools = tools
    this.#options = options
  }

  async read(target: ClientReadTarget, blob: TreeBlob, about: { readonly isStrike: boolean }): Promise<ClientRead> {
    if (blob.sizeBytes > this.#options.maxBytes || !this.#mayRead(target.hostId, about)) return undefined
    this.#running++
    try {
      for (const url of target.urls) {
        const read = await this.#readAt(url, blob, target)
        if (read !== 'passed') return read
      }
      return 'passed'
    } finally {
      this.#running--
    }
  }

  /** Forgets hosts that are gone. */
  keepOnly(hostIds: ReadonlySet<number>): void {
    for (const hostId of this.#paces.keys()) if (!hostIds.has(hostId)) this.#paces.delete(hostId)
  }

  async #readAt(url: string, blob: TreeBlob, { hasTicket }: ClientReadTarget): Promise<ClientRead> {
    const { client, blobs, random } = this.#tools
    const { idleMs, totalMs } = this.#options
    const limits: ProbeLimits = { idleMs, totalMs, hasTicket }
    const { sample } = await readWhole(client, url, blob, limits)
    if (sample.verdict === 'good') return 'passed'
    // What a probe finds too is the business of probes: a blob that is not there must not close the host.
    const range = blockAt(blob.sizeBytes, blockBytes, random())
    const block = { range, bytes: await readOriginRange(blobs, blob.digest, range) }
    const probed = await sampleBlob(client, url, blob, block, limits)
    if (probed.verdict !== 'good') return undefined
    return { failure: `good to probes, but ${sample.fault?.url}: ${sample.fault?.came}` }
  }

  #mayRead(hostId: number, { isStrike }: { readonly isStrike: boolean }): boolean {
    const { maxRunning, firstWaitMs, strikeWaitMs, longestWaitMs } = this.#options
    const nowMs = this.#tools.now()
    const { startedAtMs, waitMs } = this.#paces.get(hostId) ?? { startedAtMs: Number.NEGATIVE_INFINITY, waitMs: 0 }
    // One that is still to come is of a clock that was set back.
    const sinceMs = startedAtMs > nowMs ? Number.POSITIVE_INFINITY : nowMs - startedAtMs
    if (this.#running >= maxRunning || sinceMs < (isStrike ? Math.min(waitMs, strikeWaitMs) : waitMs)) return false
    const isForgotten = sinceMs >= 2 * longestWaitMs
    this.#paces.set(hostId, {
      startedAtMs: nowMs,
      waitMs: isForgotten || waitMs === 0 ? firstWaitMs : Math.min(2 * waitMs, longestWaitMs),
    })
    return true
  }
}
