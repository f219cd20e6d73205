// Stream mode: blobs that this front door reads from hosts for its clients, within a budget, and what it learns of hosts by that.
import { frontDoorPrefixKey, originTicketId, type Tickets } from '#access/ticket.ts'
import type { OutboundClient } from '#http/outbound/outbound-client.ts'
import { blobPath } from '#oci/digest.ts'
import type { Headroom } from '#selection/headroom.ts'
import type { Candidate } from '#snapshots/index-placement.ts'
import type { Asked } from './choose-host.ts'
import type { FrontCounters } from './counters.ts'
import type { ReportEvidence } from './evidence.ts'
import { HeldMemory } from './held-memory.ts'
import { hostAgentOf } from './host-agent.ts'
import type { OpenBlob } from './own-blobs.ts'
import type { Pairing } from './proofs.ts'
import { remoteSource, type SourceLimits, type StreamSource, treeSource } from './stream-source.ts'
import { StreamedBlob, type StreamWatch } from './streamed-blob.ts'
import { type Transfer, TransferBudget, type TransferLimits } from './transfer-budget.ts'

export type StreamOptions = TransferLimits &
  SourceLimits & {
    /** The last piece of a blob, which waits until the whole is right. Each stream keeps so much in memory. */
    readonly holdBackBytes: number
    /** Blobs up to this size are kept back whole until they are right, so that nobody sees wrong bytes of them. 0: none. */
    readonly wholeBytes: number
    /** All that may wait so; a blob for which there is no room keeps back its last piece only. */
    readonly wholeMemoryBytes: number
    /** A client waits so long for the first byte, and is then served as it comes. */
    readonly wholeMs: number
    /** A fragile client whose blob no gold host holds gets it in this way from others, instead of from the origin. */
    readonly isForFragile: boolean
    /** How long it is remembered who was sent wrong bytes. */
    readonly spoiledMs: number
    readonly maxSpoiled: number
  }

export const streamDefaults: StreamOptions = {
  transfers: 64,
  bytesPerSecond: 100 * 1024 * 1024,
  firstByteMs: 3_000,
  stallMs: 10_000,
  leastBytes: 64 * 1024,
  holdBackBytes: 64 * 1024,
  wholeBytes: 8 * 1024 * 1024,
  wholeMemoryBytes: 128 * 1024 * 1024,
  wholeMs: 20_000,
  isForFragile: false,
  spoiledMs: 300_000,
  maxSpoiled: 10_000,
}

export type StreamParts = {
  readonly outbound: Pick<OutboundClient, 'send'>
  /** For the origin, which may have a private address; by default that for hosts. */
  readonly originOutbound?: Pick<OutboundClient, 'send'> | undefined
  readonly originUrl: string | undefined
  readonly openBlob: OpenBlob | undefined
  readonly tickets: Tickets
  readonly ticketQuery: (candidate: Candidate, asked: Asked) => string
  readonly proofs: { failed(pairing: Pairing, verdict: { readonly isHostWide: boolean }): void }
  /** Bytes that leave from here as origin. */
  readonly chargeOrigin: (bytes: number) => void
  /** What a host was given to send. */
  readonly headroom: Pick<Headroom, 'book'>
  readonly counters: FrontCounters
  readonly report: ReportEvidence
  readonly now: () => number
}

export class BlobStreams {
  readonly #parts: StreamParts
  readonly #options: StreamOptions
  readonly #budget: TransferBudget
  /** Until when it is remembered, by client prefix and blob, that wrong bytes were sent there. */
  readonly #spoiled = new Map<string, number>()
  readonly #memory: HeldMemory

  constructor(parts: StreamParts, options: StreamOptions) {
    this.#parts = parts
    this.#options = options
    this.#budget = new TransferBudget(options, parts.now)
    this.#memory = new HeldMemory(options.wholeMemoryBytes)
  }

  get running(): number {
    return this.#budget.running
  }

  /** Taken by blobs that are held back whole. */
  get heldBytes(): number {
    return this.#memory.heldBytes
  }

  /** Undefined when there is no room in the budget. */
  admit({ blob }: Asked): Transfer | undefined {
    const transfer = this.#budget.start(blob.sizeBytes)
    if (!transfer) this.#parts.counters.streamsOverBudget++
    return transfer
  }

  /** The whole blob from these hosts, then from our own places. Undefined: none of the hosts brought the head of an answer. */
  async fromHosts(
    asked: Asked,
    hosts: readonly Candidate[],
    transfer: Transfer,
    gone: AbortSignal | undefined,
  ): Promise<StreamedBlob | undefined> {
    const { outbound, ticketQuery } = this.#parts
    const { blob } = asked
    const userAgent = hostAgentOf(asked.userAgent)
    const sources = hosts.map((host) => {
      const url = `${host.url}/${blobPath(blob.digest)}${ticketQuery(host, asked)}`
      return remoteSource({ outbound, host, url, blob, userAgent, limits: this.#options })
    })
    return this.#start(asked, { sources, lastly: this.#ownSources(asked) }, transfer, gone)
  }

  /** For who was sent wrong bytes and asks for the rest of them: the whole, and none of it from hosts. */
  fromOwn(asked: Asked, transfer: Transfer, gone: AbortSignal | undefined): Promise<StreamedBlob | undefined> {
    return this.#start(asked, { sources: this.#ownSources(asked), lastly: [] }, transfer, gone)
  }

  isSpoiled({ client, blob, nowMs }: Asked): boolean {
    return (this.#spoiled.get(spoiledKey(client.prefixKey, blob.digest)) ?? 0) > nowMs
  }

  async #start(
    asked: Asked,
    from: { readonly sources: readonly StreamSource[]; readonly lastly: readonly StreamSource[] },
    transfer: Transfer,
    gone: AbortSignal | undefined,
  ): Promise<StreamedBlob | undefined> {
    const { blob } = asked
    const { holdBackBytes, wholeBytes, wholeMs } = this.#options
    const isHeldWhole = blob.sizeBytes <= wholeBytes && this.#memory.take(blob.sizeBytes)
    const stop = () => streamed.end()
    const watch = this.#watchOf(asked, transfer, () => {
      gone?.removeEventListener('abort', stop)
      if (isHeldWhole) this.#memory.giveBack(blob.sizeBytes)
    })
    const streamed = new StreamedBlob({ blob, ...from, holdBackBytes, wholeMs: isHeldWhole ? wholeMs : 0, watch })
    gone?.addEventListener('abort', stop, { once: true })
    return (await streamed.start()) ? streamed : undefined
  }

  #ownSources({ blob }: Asked): StreamSource[] {
    const { openBlob, originUrl, outbound, originOutbound = outbound, tickets, now } = this.#parts
    const sources = openBlob ? [treeSource(openBlob, blob)] : []
    if (originUrl === undefined) return sources
    const about = { prefixKey: frontDoorPrefixKey, digest: blob.digest, nowMs: now() }
    const url = `${originUrl}/${blobPath(blob.digest)}?t=${tickets.issue(originTicketId, about)}`
    const at = { outbound: originOutbound, host: undefined, url, blob, userAgent: undefined, limits: this.#options }
    return [...sources, remoteSource(at)]
  }

  #watchOf(asked: Asked, transfer: Transfer, onEnd: () => void): StreamWatch {
    const { counters, proofs, headroom, report, chargeOrigin, now } = this.#parts
    const { blob, client } = asked
    const { digest } = blob
    const { prefixKey } = client
    const pairing = (candidate: Candidate): Pairing => {
      return { candidate, blob, family: client.address.family, prefixKey }
    }
    const known = new Set<Candidate>()
    return {
      opened: (source, first, isFirst) => {
        if (!isFirst) counters.streamSwitches++
        if (source.host) return headroom.book(source.host.host, blob.sizeBytes - first)
        counters.streamsFromOrigin++
        chargeOrigin(blob.sizeBytes - first)
      },
      read: ({ host }, bytes) => {
        if (host) counters.streamHostBytes += bytes
        else counters.streamOriginBytes += bytes
      },
      failed: (host, { isHostWide, message }) => {
        counters.streamHostFailures++
        proofs.failed(pairing(host), { isHostWide })
        report({ kind: 'probe-failed', hostId: host.host.id, digest, reason: message, isHostWide, atMs: now() })
      },
      wrong: (hosts, isSent) => {
        if (known.size === 0) counters.streamsWrong++
        if (isSent) this.#noteSpoiled(asked)
        const isSure = hosts.length === 1
        const reason = isSure ? 'sent wrong bytes' : `it or another of ${hosts.length} hosts sent wrong bytes`
        for (const host of hosts) {
          if (known.has(host)) continue
          known.add(host)
          proofs.failed(pairing(host), { isHostWide: false })
          report({ kind: 'wrong-bytes', hostId: host.host.id, digest, prefixKey, isSure, reason, atMs: now() })
        }
      },
      ended: (sentBytes, fate) => {
        onEnd()
        if (fate === 'cut') counters.streamsCut++
        counters.streamedBytes += sentBytes
        transfer.sent(sentBytes)
        transfer.end()
      },
    }
  }

  #noteSpoiled({ client, blob, nowMs }: Asked): void {
    const key = spoiledKey(client.prefixKey, blob.digest)
    this.#spoiled.delete(key)
    if (this.#spoiled.size >= this.#options.maxSpoiled) this.#spoiled.delete(this.#spoiled.keys().next().value!)
    this.#spoiled.set(key, nowMs + this.#options.spoiledMs)
  }
}

function spoiledKey(prefixKey: number, digest: string): string {
  return `${prefixKey} ${digest}`
}
