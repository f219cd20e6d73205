// The steps same, host and held of README.md: candidates in order of rank, minus those of this round, the first one that is proven; and what a
// client's coming back says about the host it was sent to.

import type { Draw, Fleet, SelectionClient } from '#selection/client.ts'
import { findSuiting } from '#selection/find-suiting.ts'
import type { Headroom } from '#selection/headroom.ts'
import { rankHosts } from '#selection/rank-hosts.ts'
import type { Candidate } from '#snapshots/index-placement.ts'
import type { PublishedBlob } from '#snapshots/publication.ts'
import { type AskShape, type Asks, hasTried, isTried, type Memory, noteGiven, shapeOf, startRound } from './asks.ts'
import { type ChooseOptions, drawOptions, isFleetFresh } from './choose-options.ts'
import type { ReportEvidence } from './evidence.ts'
import { hostAgentOf } from './host-agent.ts'
import type { Pairing, ProofState, Proofs } from './proofs.ts'
import type { PullsBegun } from './pulls-begun.ts'

/** Why it is the origin: nobody suits; nobody could be proven; everybody was tried; there was no room to wait for a proof. */
export type OriginReason = 'no-host' | 'not-proven' | 'after-round' | 'too-many-held'
export type Choice = Candidate | OriginReason

export type Asked = {
  readonly fleet: Fleet
  readonly client: SelectionClient
  readonly blob: PublishedBlob
  readonly range: string | undefined
  readonly userAgent: string | undefined
  readonly nowMs: number
}

export type ChooseParts = {
  readonly asks: Asks
  readonly proofs: Proofs
  readonly report: ReportEvidence
  readonly begun: Pick<PullsBegun, 'countOf'>
  readonly headroom: Headroom
  readonly now: () => number
  /** `?t=…` for this host, or ''. */
  readonly ticketQuery: (candidate: Candidate, asked: Asked) => string
}

export class HostChooser {
  readonly #parts: ChooseParts
  readonly options: ChooseOptions

  constructor(parts: ChooseParts, options: ChooseOptions) {
    this.#parts = parts
    this.options = options
  }

  /** At once where a proof is at hand; a promise while the client has to be held. */
  choose(asked: Asked): Choice | Promise<Choice> {
    const { fleet, client, blob, nowMs } = asked
    const { asks } = this.#parts
    const found = asks.find(client.prefixKey, blob.digest, nowMs)
    if (!found) {
      // Most asks are the first of their client and go where the draw says: no list, no memory but one place in a table.
      const first = rankHosts(fleet, client, blob, this.#draw(nowMs, 1))[0]
      if (first && this.stateOf(first, asked, 0) === 'proven') {
        asks.noteFirst(client.prefixKey, blob.digest, first, nowMs)
        return first
      }
    }
    const candidates = this.rank(asked)
    if (candidates.length === 0) return 'no-host'
    const memory = found ?? asks.recall(client.prefixKey, blob.digest, nowMs)
    const shape = shapeOf(asked.range)
    const { last } = memory
    if (last) {
      if (shape === 'part') {
        const same = this.sameHost(last, candidates, asked)
        if (same && this.stateOf(same, asked, 0) !== 'bad') return same
      } else this.#noteReturn(memory, last, shape, asked)
    }
    return this.#next(candidates, memory, asked)
  }

  /** Evidence starts a probe and closes nothing. Echoes say nothing: a cluster behind one address asks a hundred times at once. But of
   *  a network that asks twice for each pull that it began, somebody was failed, and docker's second ask follows at once. */
  #noteReturn(memory: Memory, last: Candidate, shape: AskShape, asked: Asked): void {
    const { nowMs, client, blob } = asked
    if (shape === 'plain') memory.asks++
    const begun = shape === 'plain' ? this.#parts.begun.countOf(client.prefixKey, nowMs) : 0
    const isStrike = shape === 'resume' || (begun > 0 && memory.asks >= 2 * begun)
    if (nowMs - (isStrike ? memory.strikeMs : memory.askedMs) < this.options.echoMs) return
    if (isStrike) memory.strikeMs = nowMs
    memory.askedMs = nowMs
    const kind = shape === 'resume' ? 'resume' : isStrike ? 'return' : 're-ask'
    this.#parts.report({ kind, hostId: last.host.id, digest: blob.digest, prefixKey: client.prefixKey, atMs: nowMs })
    this.doubt(last, asked)
  }

  /** Puts the pair in doubt and probes it behind the client's back. */
  doubt(candidate: Candidate, asked: Asked): void {
    if (this.#parts.proofs.doubt(this.#pairing(candidate, asked), asked.nowMs)) void this.#prove(candidate, asked)
  }

  /** What speaks for the pair now; undefined: nothing. */
  proofOf(candidate: Candidate, asked: Asked): 'snapshot' | 'probe' | undefined {
    if (this.#parts.proofs.hasPassed(this.#pairing(candidate, asked), asked.nowMs)) return 'probe'
    return this.stateOf(candidate, asked, 0) === 'proven' ? 'snapshot' : undefined
  }

  /** All that it may be, best first. */
  rank({ fleet, client, blob, nowMs }: Asked): readonly Candidate[] {
    return rankHosts(fleet, client, blob, this.#draw(nowMs, this.options.maxCandidates))
  }

  /** The host of the other parts, as far as it still suits. */
  sameHost(
    last: Candidate,
    candidates: readonly Candidate[],
    { fleet, client, blob, nowMs }: Asked,
  ): Candidate | undefined {
    const { id } = last.host
    const draw = this.#draw(nowMs, this.options.maxCandidates)
    return candidates.find(({ host }) => host.id === id) ?? findSuiting(id, fleet, { client, blob, draw })
  }

  /** So short a while ago that a doubt counts for nothing. */
  hasJustPassed(candidate: Candidate, asked: Asked): boolean {
    return this.#parts.proofs.isEcho(this.#pairing(candidate, asked), asked.nowMs)
  }

  /** Instead of an origin at its limits: a proven host that this client has not had, also behind those that `choose` looks at; one that
   *  is busy only where none has room. What is in doubt is probed, for the next look. */
  chooseFarther(asked: Asked): Candidate | undefined {
    const { nowMs } = asked
    const { maxFartherCandidates } = this.options
    return (
      this.#findFarther(asked, this.#draw(nowMs, maxFartherCandidates)) ??
      this.#findFarther(asked, drawOptions(this.options, nowMs, maxFartherCandidates))
    )
  }

  #findFarther(asked: Asked, draw: Draw): Candidate | undefined {
    const { fleet, client, blob, nowMs } = asked
    const { maxCandidates, parallelProbes } = this.options
    const memory = this.#parts.asks.recall(client.prefixKey, blob.digest, nowMs)
    let probes = 0
    for (const [i, candidate] of rankHosts(fleet, client, blob, draw).entries()) {
      if (isTried(memory, candidate.host.id)) continue
      // Those behind were in no round yet.
      const state = this.stateOf(candidate, asked, i < maxCandidates ? memory.roundMs : 0)
      if (state === 'proven') return give(candidate, memory)
      if (state === 'unproven' && probes++ < parallelProbes) void this.#prove(candidate, asked)
    }
    return undefined
  }

  /** Whom to read from for a client, best first: here a fault is ours to mend, so none needs a proof first. A fragile client meets what
   *  a normal one does. */
  listSources(asked: Asked): readonly Candidate[] {
    const { client, fleet, blob, nowMs } = asked
    const kind = client.kind === 'fragile' ? 'normal' : client.kind
    const ranked = rankHosts(fleet, { ...client, kind }, blob, this.#draw(nowMs, this.options.maxCandidates))
    const states = ranked.map((candidate) => this.stateOf(candidate, asked, 0))
    return (['proven', 'unproven'] as const).flatMap((state) => ranked.filter((_, i) => states[i] === state))
  }

  #draw(nowMs: number, limit: number): Draw {
    const { epochMs, allowHttpHosts } = this.options
    return { epoch: Math.floor(nowMs / epochMs), allowHttpHosts, limit, headroom: this.#parts.headroom, nowMs }
  }

  #next(candidates: readonly Candidate[], memory: Memory, asked: Asked): Choice | Promise<Choice> {
    const choice = this.#walk(candidates, memory, asked)
    if (choice !== 'after-round') return choice
    // Those who were given in the round that ends must be proven anew; but what counts as one ask may use one proof.
    startRound(memory, asked.nowMs - this.options.echoMs)
    if (memory.originAnswers === 0) {
      memory.originAnswers++
      return 'after-round'
    }
    const again = this.#walk(candidates, memory, asked)
    return again === 'after-round' ? 'not-proven' : again
  }

  #walk(candidates: readonly Candidate[], memory: Memory, asked: Asked): Choice | Promise<Choice> {
    let unproven: Candidate[] | undefined
    for (const candidate of candidates) {
      if (isTried(memory, candidate.host.id)) continue
      const state = this.stateOf(candidate, asked, memory.roundMs)
      if (state === 'bad') continue
      if (state === 'proven') {
        // A farther host that is sure beats a nearer one in doubt, which is probed for the next who asks.
        if (unproven) for (const doubtful of unproven) void this.#prove(doubtful, asked)
        return give(candidate, memory)
      }
      if (unproven) unproven.push(candidate)
      else unproven = [candidate]
    }
    if (unproven) return this.#hold(unproven, memory, asked)
    return hasTried(memory) ? 'after-round' : 'not-proven'
  }

  /** Waiting is safe, failing is not; but the client is not held longer than `holdMs`, and not when too many are. */
  async #hold(candidates: readonly Candidate[], memory: Memory, asked: Asked): Promise<Choice> {
    const { held } = this.#parts.proofs
    const { prefixKey } = asked.client
    if (!held.enter(prefixKey)) return 'too-many-held'
    try {
      return await this.#firstThatPasses(candidates, memory, asked)
    } finally {
      held.leave(prefixKey)
    }
  }

  /** Some at a time. */
  async #firstThatPasses(candidates: readonly Candidate[], memory: Memory, asked: Asked): Promise<Choice> {
    const deadlineMs = asked.nowMs + this.options.holdMs
    const waiting = [...candidates]
    const running = new Map<Candidate, Promise<{ candidate: Candidate; isGood: boolean }>>()
    for (;;) {
      const leftMs = deadlineMs - this.#parts.now()
      while (leftMs > 0 && waiting.length > 0 && running.size < this.options.parallelProbes) {
        const candidate = waiting.shift()!
        running.set(
          candidate,
          this.#prove(candidate, asked, leftMs).then((isGood) => ({ candidate, isGood })),
        )
      }
      if (running.size === 0) return 'not-proven'
      const { candidate, isGood } = await Promise.race(running.values())
      if (isGood) return give(candidate, memory)
      running.delete(candidate)
    }
  }

  #prove(candidate: Candidate, asked: Asked, leftMs = this.options.holdMs): Promise<boolean> {
    const roundTripMs = asked.fleet.health.byId.get(candidate.host.id)?.roundTripMs ?? 0
    const { minProbeMs, probeRoundTrips } = this.options
    const timeoutMs = Math.min(Math.max(minProbeMs, probeRoundTrips * roundTripMs), leftMs)
    const userAgent = hostAgentOf(asked.userAgent)
    const query = this.#parts.ticketQuery(candidate, asked)
    return this.#parts.proofs.prove(this.#pairing(candidate, asked), { timeoutMs, userAgent, query })
  }

  /** `sinceMs`: only a proof newer than this counts; 0: any. */
  stateOf(candidate: Candidate, asked: Asked, sinceMs: number): ProofState {
    const { fleet, nowMs, client } = asked
    const isTrusted = isFleetFresh(fleet, this.options, nowMs)
    const { proofs } = this.#parts
    const isCalm = isTrusted && sinceMs === 0 && fleet.health.byId.get(candidate.host.id)?.isShaky !== true
    if (isCalm && proofs.isUntroubled(candidate, client.address.family, fleet.health.doubts)) return 'proven'
    return proofs.stateOf(this.#pairing(candidate, asked), { isTrusted, sinceMs, nowMs })
  }

  #pairing(candidate: Candidate, { fleet, blob, client }: Asked): Pairing {
    const { id } = candidate.host
    const [doubtSinceMs, isShaky] = [fleet.health.doubts.get(id), fleet.health.byId.get(id)?.isShaky]
    return { candidate, blob, family: client.address.family, prefixKey: client.prefixKey, doubtSinceMs, isShaky }
  }
}

function give(candidate: Candidate, memory: Memory): Candidate {
  noteGiven(memory, candidate)
  return candidate
}
