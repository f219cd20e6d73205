// One front door's probes of one real host that holds the layer of front-door.ts, or a part of it.

import { blockCount, makeBlockChecks } from '#blobs/block-checks.ts'
import type { BlockKey } from '#blobs/block-key.ts'
import { OutboundClient } from '#http/outbound/outbound-client.ts'
import type { FindBlockChecks } from '#snapshots/block-checks.ts'
import { type FrontCounters, makeCounters } from '#stages/redirect/counters.ts'
import type { Evidence } from '#stages/redirect/evidence.ts'
import type { OpenBlob } from '#stages/redirect/own-blobs.ts'
import { proofLimitDefaults } from '#stages/redirect/proof-limits.ts'
import { type ProofState, Proofs } from '#stages/redirect/proofs.ts'
import { blockKey } from './check-files.ts'
import { digestOf, type Fault, type FaultyHost, goodHost, layer, openBlobIn, placed, startHost } from './front-door.ts'

export const probedBlob = { digest: digestOf(layer), sizeBytes: layer.length }
export const probeAsk = { userAgent: 'docker/28', query: '', timeoutMs: 2_000 }

/** What is known of the blob where the probes are made. */
export type Known = {
  readonly blockChecks?: FindBlockChecks<BlockKey>
  readonly openBlob?: OpenBlob
  readonly random?: () => number
  readonly outbound?: Pick<OutboundClient, 'send'>
  /** Another address of the host. */
  readonly url?: string
}

export type Probes = {
  readonly counters: FrontCounters
  prove(): Promise<boolean>
  state(): ProofState
}

export class ProbedHost implements AsyncDisposable {
  readonly host: FaultyHost
  readonly evidence: Evidence[] = []
  readonly #outbound = new OutboundClient({ allowPrivate: true, userAgent: 'test' })
  nowMs = 1_000_000

  private constructor(host: FaultyHost) {
    this.host = host
  }

  static async start(): Promise<ProbedHost> {
    return new ProbedHost(await startHost())
  }

  probes({
    blockChecks,
    openBlob,
    random = Math.random,
    outbound = this.#outbound,
    url = this.host.url,
  }: Known): Probes {
    const counters = makeCounters()
    const tell = { report: (one: Evidence) => this.evidence.push(one), counters, now: () => this.nowMs }
    const made = new Proofs({ outbound, blockChecks, openBlob, random }, proofLimitDefaults, tell)
    const pairing = { candidate: { host: placed(1, url), url }, blob: probedBlob, family: 4, prefixKey: 1 } as const
    return {
      counters,
      prove: () => made.prove(pairing, probeAsk),
      state: () => made.stateOf(pairing, { isTrusted: true, sinceMs: 0, nowMs: this.nowMs }),
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#outbound[Symbol.asyncDispose]()
    await this.host.stop()
  }
}

export async function checksOfProbedBlob(): Promise<FindBlockChecks<BlockKey>> {
  const checks = (await makeBlockChecks({ open: openBlobIn() }, blockKey, probedBlob))!
  return { find: async (digest) => (digest === probedBlob.digest ? { checks, key: blockKey } : undefined) }
}

/** Draws every block in turn. */
export function inTurn(): () => number {
  let next = 0
  return () => (next++ % blockCount) / blockCount
}

/** Right bytes where `isRight` says so, a good answer with other bytes elsewhere. */
export function keeping(isRight: (first: number, last: number) => boolean): Fault {
  return (answer) => {
    const { bytes, first, last } = answer
    if (isRight(first, last)) return goodHost(answer)
    const rotten = Buffer.from(bytes)
    for (let at = first; at <= last; at++) rotten[at]! ^= 0x55
    goodHost({ ...answer, bytes: rotten })
  }
}

export async function until(isDone: () => boolean): Promise<void> {
  while (!isDone()) await new Promise((resolve) => setImmediate(resolve))
}
