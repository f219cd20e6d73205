// What a replica gets that asks for a blob of one channel: another host, bytes, or a time to ask again. README.md draws the order.

import { TokenBuckets } from '#kit/token-buckets.ts'
import type { Digest } from '#oci/digest.ts'
import type { Fleet } from '#selection/client.ts'
import type { Candidate } from '#snapshots/index-placement.ts'
import type { Replica } from './asker.ts'
import { type HolderOptions, Holders } from './holders.ts'
import type { OriginCounters } from './origin-counters.ts'
import type { ReplicaStream, ReplicaStreams } from './replica-streams.ts'
import { type SeedOptions, Seeds } from './seeds.ts'

/** More replicas than these rarely take one blob. */
const takersPerBlob = 4

export type GateOptions = HolderOptions &
  SeedOptions & {
    /** A blob is sent so often at once, and then once in `sendRefillMs`. */
    readonly sendsPerBlob: number
    readonly sendRefillMs: number
    /** To the same replica: the second time is for a disk that spoilt the first. */
    readonly sendsPerReplica: number
    readonly sendPerReplicaRefillMs: number
    /** About so long a replica waits before it asks again; never much longer than the other: a new host may have come. */
    readonly retryMs: number
    readonly maxRetryMs: number
    readonly maxBlobsRemembered: number
  }

/** What the channel's tree has now. */
export type TreeGeneration = {
  readonly generation: number
  /** When it was seen to be complete. */
  readonly sinceMs: number
}

export type GateParts = {
  /** undefined: no host carries this channel. */
  readonly fleet: () => Fleet | undefined
  readonly currentGeneration: () => TreeGeneration | undefined
  /** The first generation that has the blob, or a later one when that is too long ago to matter; undefined: no list names it. */
  readonly generationOf: (digest: Digest) => number | undefined
  /** Of all channels together. */
  readonly streams: ReplicaStreams
  readonly counters: OriginCounters
  readonly random: () => number
  readonly now: () => number
}

export type GateAsk = {
  readonly replica: Replica
  readonly digest: Digest
  readonly sizeBytes: number
  readonly askedBytes: number
}

export type Verdict =
  | { readonly kind: 'redirect'; readonly host: Candidate }
  | { readonly kind: 'send'; readonly stream: ReplicaStream }
  | { readonly kind: 'wait'; readonly seconds: number; readonly why: string }

export class ReplicaGate {
  readonly #parts: GateParts
  readonly #options: GateOptions
  readonly #holders: Holders
  readonly #seeds: Seeds
  readonly #sends: TokenBuckets
  readonly #taken: TokenBuckets

  constructor(parts: GateParts, options: GateOptions) {
    const { sendsPerBlob, sendRefillMs, sendsPerReplica, sendPerReplicaRefillMs, maxBlobsRemembered } = options
    this.#parts = parts
    this.#options = options
    this.#holders = new Holders(options)
    this.#seeds = new Seeds(options)
    this.#sends = new TokenBuckets({ most: sendsPerBlob, refillMs: sendRefillMs, maxEntries: maxBlobsRemembered })
    this.#taken = new TokenBuckets({
      most: sendsPerReplica,
      refillMs: sendPerReplicaRefillMs,
      maxEntries: maxBlobsRemembered * takersPerBlob,
    })
  }

  decide(ask: GateAsk): Verdict {
    const nowMs = this.#parts.now()
    const fleet = this.#parts.fleet()
    const choice = fleet && this.#chooseHolder(fleet, ask, nowMs)
    if (choice && 'host' in choice) {
      this.#parts.counters.replicaRedirects++
      return { kind: 'redirect', host: choice.host }
    }
    // What hosts are busy with is what was asked for, by whomever: it may be no more than one asker's whim, so nobody waits for it for long.
    if (choice && choice.freeInMs <= this.#options.maxRetryMs)
      return this.#wait(choice.freeInMs, 'the hosts that have this blob are busy with other replicas')
    return this.#refuseBytes(ask, fleet, nowMs) ?? this.#send(ask)
  }

  /** How much others gain when this replica is among the first: the bandwidth of the host that it says it is, 0 for a stranger. */
  rankOf({ hostName }: Replica): number {
    const fleet = this.#parts.fleet()
    const host = fleet && this.#holders.findPublicHost(fleet, hostName)
    return host === undefined || host.grade === 'probation' ? 0 : Math.max(1, host.bandwidthMbps)
  }

  #chooseHolder(fleet: Fleet, { replica, digest, askedBytes }: GateAsk, nowMs: number) {
    const generation = this.#parts.generationOf(digest)
    if (generation === undefined) return undefined
    return this.#holders.choose(fleet, { replica, blob: { digest, generation }, bytes: askedBytes }, nowMs)
  }

  /** Why this replica gets no bytes now; undefined: it gets them, and they are booked. */
  #refuseBytes({ replica, digest, ...ask }: GateAsk, fleet: Fleet | undefined, nowMs: number): Verdict | undefined {
    const { streams, currentGeneration } = this.#parts
    const { retryMs } = this.#options
    const { key, client } = replica
    const full = streams.isFull({ key, network: client.prefixKey })
    if (full === 'for this replica')
      return this.#wait(retryMs, 'as many answers to this replica are under way as one may have')
    // Without any host there is nobody to wait for.
    if (!fleet || fleet.placement.world.length === 0)
      return full && this.#wait(retryMs, 'as many answers to replicas are under way as there may be')
    const isHost = this.#holders.findPublicHost(fleet, replica.hostName) !== undefined
    if (!this.#seeds.admit({ key, client, isHost }, currentGeneration()?.generation ?? 0, nowMs)) {
      const why = `${this.#seeds.count} replicas copy this generation first; a proven host will have it soon`
      return this.#wait(retryMs, why)
    }
    if (full) return this.#wait(retryMs, 'as many answers to replicas are under way as there may be')
    const share = shareOf(ask)
    const own = `${key} ${digest}`
    if (!this.#taken.take(own, share, nowMs)) {
      return this.#wait(this.#taken.waitMs(own, share, nowMs), 'this replica had this blob from here already')
    }
    if (this.#sends.take(digest, share, nowMs)) return undefined
    this.#taken.giveBack(own, share)
    return this.#wait(this.#sends.waitMs(digest, share, nowMs), 'this blob was sent to as many replicas as it may be')
  }

  #send({ replica, digest, sizeBytes, askedBytes }: GateAsk): Verdict {
    const { streams, counters } = this.#parts
    const { key, client } = replica
    counters.replicaSends++
    const stream = streams.open({
      key,
      network: client.prefixKey,
      bytes: askedBytes,
      onBytes: (bytes, nowMs) => {
        counters.replicaBytes += bytes
        this.#seeds.touch(key, nowMs)
      },
      // What did not go out was not sent.
      onEnd: (unsentBytes) => {
        const share = shareOf({ sizeBytes, askedBytes: unsentBytes })
        this.#sends.giveBack(digest, share)
        this.#taken.giveBack(`${key} ${digest}`, share)
      },
    })
    return { kind: 'send', stream }
  }

  /** Never in step with the others who were told the same. */
  #wait(ms: number, why: string): Verdict {
    this.#parts.counters.replicaWaits++
    const jitteredMs = Math.min(ms, this.#options.maxRetryMs) * (0.5 + this.#parts.random())
    return { kind: 'wait', seconds: Math.max(1, Math.ceil(jitteredMs / 1000)), why }
  }
}

/** Parts of a range may be a little more than the blob: their heads count as well. */
function shareOf({ sizeBytes, askedBytes }: Pick<GateAsk, 'sizeBytes' | 'askedBytes'>): number {
  return sizeBytes === 0 ? 0 : Math.min(1, askedBytes / sizeBytes)
}
