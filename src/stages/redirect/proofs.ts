// What this front door knows by its own probes about hosts and the blobs there: proven, in doubt, or bad for a while. Hosts without
// trouble leave nothing here; for them the snapshots speak.
import type { Digest } from '#oci/digest.ts'
import type { Candidate } from '#snapshots/index-placement.ts'
import { BoundedCounts } from './bounded-counts.ts'
import type { FrontCounters } from './counters.ts'
import type { ReportEvidence } from './evidence.ts'
import { type OpenBlob, OwnBlobs } from './own-blobs.ts'
import { type ProbeAsk, type ProbeParts, type ProbeVerdict, probeBlock } from './probe-block.ts'
import { hasProbe, spendProbe } from './probe-budget.ts'
import type { ProofLimits } from './proof-limits.ts'
import { type Host, newHost, type Pair, pairKey, type Trouble } from './proof-records.ts'
import { isLately } from './within.ts'

/** `openBlob`: undefined where the blobs do not lie here. */
export type ProofParts = Omit<ProbeParts, 'own'> & {
  readonly openBlob: OpenBlob | undefined
  /** Our own bytes of a blob turned out to be wrong. */
  readonly onDamaged?: ((digest: Digest) => void) | undefined
}

type FailedVerdict = Extract<ProbeVerdict, { isGood: false }>

export type Pairing = {
  readonly candidate: Candidate
  readonly blob: { readonly digest: Digest; readonly sizeBytes: number }
  readonly family: 4 | 6
  readonly prefixKey: number
  /** The doubt about the whole host that the snapshot of health tells of. */
  readonly doubtSinceMs?: number | undefined
  /** It says that a look at the host failed a short while ago. */
  readonly isShaky?: boolean | undefined
}

export type ProofState = 'proven' | 'unproven' | 'bad'

export class Proofs {
  readonly #limits: ProofLimits
  readonly #parts: ProofParts & ProbeParts
  readonly #tell: { readonly report: ReportEvidence; readonly counters: FrontCounters; readonly now: () => number }
  /** By family and address: a host may fail over one and not over the other. */
  readonly #hosts = { 4: new Map<string, Host>(), 6: new Map<string, Host>() }
  readonly #pairs = new Map<string, Pair>()
  readonly #running: BoundedCounts
  /** Clients that wait. */
  readonly held: BoundedCounts
  /** By host id: the doubt that a probe from here has settled, and the one probe that is about to. */
  readonly #settled = new Map<number, number>()
  readonly #settling = new Map<number, Promise<boolean>>()

  constructor(
    parts: ProofParts,
    limits: ProofLimits,
    tell: { report: ReportEvidence; counters: FrontCounters; now: () => number },
  ) {
    this.#parts = { ...parts, own: new OwnBlobs(parts.openBlob, tell.now) }
    this.#limits = limits
    this.#tell = tell
    this.#running = new BoundedCounts(limits.maxRunning, limits.maxRunningPerPrefix)
    this.held = new BoundedCounts(limits.maxHeld, limits.maxHeldPerPrefix)
  }

  /** Nothing is known here about this host: the usual case, and one lookup. */
  isUntroubled({ url, host }: Candidate, family: 4 | 6, doubts: ReadonlyMap<number, number>): boolean {
    if (doubts.size > 0 && this.#isInDoubt(host.id, doubts.get(host.id))) return false
    return !this.#hosts[family].has(url)
  }

  /** Others saw clients fail there, and no probe from here has answered since. */
  #isInDoubt(hostId: number, doubtSinceMs: number | undefined): boolean {
    return doubtSinceMs !== undefined && this.#settled.get(hostId) !== doubtSinceMs
  }

  /**
   * `isTrusted`: the snapshots are fresh, so what they say is a proof where nothing here speaks against it.
   * `sinceMs`: only a proof newer than this counts; 0: any.
   */
  stateOf(pairing: Pairing, about: { isTrusted: boolean; sinceMs: number; nowMs: number }): ProofState {
    const state = this.#stateAlone(pairing, about)
    const { candidate, family, doubtSinceMs } = pairing
    if (state !== 'proven' || !this.#isInDoubt(candidate.host.id, doubtSinceMs)) return state
    return this.#mayProbe(this.#hosts[family].get(candidate.url), about.nowMs) ? 'unproven' : state
  }

  /** Only a failed probe closes: where none can be made, doubts say nothing. Else who makes many of them would close all hosts. */
  #isDoubted(pair: Pair, nowMs: number): boolean {
    return pair.doubtedMs > pair.goodMs && (pair.failures > 0 || this.#mayProbe(pair.host, nowMs))
  }

  #mayProbe(host: Host | undefined, nowMs: number): boolean {
    return host === undefined || hasProbe(host, this.#limits, nowMs)
  }

  #stateAlone(
    { candidate, blob, family, isShaky }: Pairing,
    about: { isTrusted: boolean; sinceMs: number; nowMs: number },
  ): ProofState {
    const host = this.#hosts[family].get(candidate.url)
    const { freshMs, shakyMs } = this.#limits
    const needsLook = isShaky === true || (host !== undefined && isLately(shakyMs, host.failedMs, about.nowMs))
    const isLive = !needsLook || (host !== undefined && isLately(freshMs, host.goodMs, about.nowMs))
    const isProvenBySnapshot = about.isTrusted && about.sinceMs === 0 && isLive
    if (!host) return isProvenBySnapshot ? 'proven' : 'unproven'
    if (this.#isBad(host, about.nowMs)) return 'bad'
    const pair = this.#pairs.get(pairKey(family, candidate.url, blob.digest))
    if (!pair) return isProvenBySnapshot && host.failures === 0 ? 'proven' : 'unproven'
    if (this.#isBad(pair, about.nowMs)) return 'bad'
    if (host.failures > 0 || this.#isDoubted(pair, about.nowMs)) return 'unproven'
    const isYoung = isLately(this.#limits.goodForMs, pair.goodMs, about.nowMs)
    const isFresh = isLive && pair.goodMs > 0 && pair.goodMs >= about.sinceMs && isYoung
    return isFresh || isProvenBySnapshot ? 'proven' : 'unproven'
  }

  /** A probe of ours passed a short while ago, and nothing spoke against the pair since. */
  hasPassed({ candidate, blob, family }: Pairing, nowMs: number): boolean {
    const pair = this.#pairs.get(pairKey(family, candidate.url, blob.digest))
    if (!pair || pair.goodMs === 0 || pair.doubtedMs > pair.goodMs || pair.host.failures > 0) return false
    // One that a client was held for passed after the client had asked.
    return isLately(this.#limits.goodForMs, pair.goodMs, nowMs)
  }

  /** A pause that ends later than any can is of a clock that was set back. */
  #isBad({ badUntilMs }: Trouble, nowMs: number): boolean {
    return badUntilMs > nowMs && badUntilMs - nowMs <= this.#limits.maxBadForMs
  }

  /** A doubt about the pair would be one about a probe that has just passed. */
  isEcho({ candidate, blob, family }: Pairing, nowMs: number): boolean {
    const pair = this.#pairs.get(pairKey(family, candidate.url, blob.digest))
    return isLately(this.#limits.echoMs, pair?.goodMs ?? 0, nowMs)
  }

  /** A client was failed there, perhaps: the pair counts for nothing until a probe has passed. True: it is in doubt now. */
  doubt({ candidate, blob, family }: Pairing, nowMs: number): boolean {
    const pair = this.#pairOf(candidate, blob.digest, family)
    if (isLately(this.#limits.echoMs, pair.goodMs, nowMs)) return false
    pair.doubtedMs = Math.max(nowMs, pair.goodMs + 1)
    return true
  }

  /** One probe, however many wait for it; where only the host is in doubt, one for all its blobs. False: it failed, or too many were
   *  running. */
  prove(pairing: Pairing, ask: Pick<ProbeAsk, 'userAgent' | 'query' | 'timeoutMs'>): Promise<boolean> {
    const { candidate, doubtSinceMs, isShaky } = pairing
    const { id } = candidate.host
    if (isShaky !== true && !this.#isInDoubt(id, doubtSinceMs)) return this.#provePair(pairing, ask)
    const settling = this.#settling.get(id)
    if (settling && !this.#isPairTroubled(pairing)) return settling
    const proving = this.#provePair(pairing, ask)
    if (!settling) {
      this.#settling.set(id, proving)
      void proving.finally(() => this.#settling.delete(id))
    }
    return proving
  }

  #isPairTroubled({ candidate, blob, family }: Pairing): boolean {
    const pair = this.#pairs.get(pairKey(family, candidate.url, blob.digest))
    return pair !== undefined && (pair.failures > 0 || pair.doubtedMs > pair.goodMs)
  }

  #provePair(pairing: Pairing, ask: Pick<ProbeAsk, 'userAgent' | 'query' | 'timeoutMs'>): Promise<boolean> {
    const { candidate, blob, family, prefixKey } = pairing
    const pair = this.#pairOf(candidate, blob.digest, family)
    if (pair.running) return pair.running
    const isHostFull =
      pair.host.running >= this.#limits.maxRunningPerHost || !spendProbe(pair.host, this.#limits, this.#tell.now())
    if (isHostFull || !this.#running.enter(prefixKey)) {
      this.#tell.counters.probesSkipped++
      return Promise.resolve(false)
    }
    pair.host.running++
    pair.running = this.#probe(pairing, pair, ask).finally(() => {
      pair.running = undefined
      this.#running.leave(prefixKey)
      pair.host.running--
    })
    return pair.running
  }

  async #probe(
    { candidate, blob, family, doubtSinceMs }: Pairing,
    pair: Pair,
    ask: Pick<ProbeAsk, 'userAgent' | 'query' | 'timeoutMs'>,
  ): Promise<boolean> {
    const verdict = await probeBlock(this.#parts, { ...ask, url: candidate.url, blob, family })
    const { report, counters, now } = this.#tell
    const nowMs = now()
    // What it lacks of one blob settles as much as a right block: the host answers.
    if (doubtSinceMs !== undefined && (verdict.isGood || !verdict.isHostWide))
      this.#settled.set(candidate.host.id, doubtSinceMs)
    if (verdict.isGood) {
      counters.probesPassed++
      if (!verdict.isCompared) counters.probesNotCompared++
      const about = { hostId: candidate.host.id, digest: blob.digest, atMs: nowMs }
      if (pair.doubtedMs > pair.goodMs) report({ ...about, kind: 'probe-passed' })
      pair.doubtedMs = 0
      pair.goodMs = nowMs
      pair.host.goodMs = nowMs
      for (const trouble of [pair, pair.host]) {
        trouble.failures = 0
        trouble.badUntilMs = 0
      }
      return true
    }
    pair.doubtedMs = Math.max(nowMs, pair.goodMs + 1)
    if (verdict.isDisputed) void this.#settle({ candidate, blob }, pair, verdict)
    else this.#fail({ candidate, blob }, pair, verdict)
    return false
  }

  /** Whose bytes are wrong: until ours were read whole the pair is only in doubt, and nobody waits for that. */
  async #settle(of: Pick<Pairing, 'candidate' | 'blob'>, pair: Pair, verdict: FailedVerdict): Promise<void> {
    // However many probes differ meanwhile, it is one failure.
    if (pair.isDisputed) return
    pair.isDisputed = true
    const state = await this.#parts.own.verify(of.blob.digest)
    pair.isDisputed = false
    if (state === 'sound') this.#fail(of, pair, verdict)
    if (state !== 'damaged') return
    this.#tell.counters.ownBlobsDamaged++
    this.#parts.onDamaged?.(of.blob.digest)
  }

  #fail({ candidate, blob }: Pick<Pairing, 'candidate' | 'blob'>, pair: Pair, verdict: FailedVerdict): void {
    const { report, counters, now } = this.#tell
    const nowMs = now()
    counters.probesFailed++
    pair.host.failedMs = nowMs
    this.#close(pair, verdict, nowMs)
    const about = { hostId: candidate.host.id, digest: blob.digest, atMs: nowMs }
    report({ ...about, kind: 'probe-failed', reason: verdict.reason, isHostWide: verdict.isHostWide })
  }

  /** What was read there for a client failed: it closes as a failed probe does. Many that break at once are one failure. */
  failed({ candidate, blob, family }: Pairing, { isHostWide }: { readonly isHostWide: boolean }): void {
    const pair = this.#pairOf(candidate, blob.digest, family)
    const nowMs = this.#tell.now()
    if (this.#isBad(pair, nowMs) && !isHostWide) return
    if (!this.#isBad(pair.host, nowMs)) this.#close(pair, { isHostWide }, nowMs)
  }

  #close(pair: Pair, { isHostWide }: { readonly isHostWide: boolean }, nowMs: number): void {
    pair.doubtedMs = Math.max(nowMs, pair.goodMs + 1)
    this.#closeOne(pair, nowMs)
    if (isHostWide) this.#closeOne(pair.host, nowMs)
  }

  #closeOne(trouble: Trouble, nowMs: number): void {
    const { badForMs, maxBadForMs } = this.#limits
    trouble.badUntilMs = nowMs + Math.min(badForMs * 2 ** trouble.failures, maxBadForMs)
    trouble.failures = Math.min(trouble.failures + 1, 30)
  }

  #pairOf({ url }: Candidate, digest: string, family: 4 | 6): Pair {
    const key = pairKey(family, url, digest)
    let pair = this.#pairs.get(key)
    if (pair) return pair
    let host = this.#hosts[family].get(url)
    if (!host) this.#hosts[family].set(url, (host = newHost(this.#limits.burstPerHost)))
    if (this.#pairs.size >= this.#limits.maxPairs) this.#dropOldest()
    pair = { failures: 0, badUntilMs: 0, host, goodMs: 0, doubtedMs: 0, running: undefined, isDisputed: false }
    this.#pairs.set(key, pair)
    host.pairs++
    return pair
  }

  /** Pairs are few unless somebody makes them: then the oldest go, and with its last pair a host without trouble. */
  #dropOldest(): void {
    for (const [key, pair] of this.#pairs) {
      this.#pairs.delete(key)
      pair.host.pairs--
      // What is known of a shaky host outlives its pairs: there are no more of those than addresses.
      if (pair.host.pairs === 0 && !isLately(this.#limits.shakyMs, pair.host.failedMs, this.#tell.now())) {
        const family = key.startsWith('4') ? 4 : 6
        this.#hosts[family].delete(key.slice(1, key.indexOf(' ')))
      }
      return
    }
  }
}
