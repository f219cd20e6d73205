// Evidence from front doors: clients that came back for a blob were probably failed by the host they had been sent to. Evidence
// starts a probe, and only a failed probe closes a host. Strikes of several client networks whose probes passed drain it: it takes
// nobody new until a whole read passed. One that is good to probes and bad to a client's read comes back by a whole read only, and one
// that has to be taken out again stays out longer. What one network can bring about in a day is bounded, and so is what is remembered.

import type { StrikeOptions } from './strike-options.ts'

export type Circuit = 'closed' | 'open' | 'draining'

type HostState = {
  circuit: Circuit
  changedAtMs: number
  reason: string | undefined
  passes: number
  /** Whole reads in a row that failed. */
  wholeFailures: number
  probedAtMs: number
  doubtedAtMs: number
  /** When each client network struck last, repetitions not counted. */
  readonly strikes: Map<number, number>
}

export type HostEvidence = { readonly strikes: number; readonly doubtSinceMs: number | undefined }

const dayMs = 86_400_000
const neededPasses = 2
/** An open circuit lasts 32 times as long at most. */
const maxDoublings = 5
const never = Number.NEGATIVE_INFINITY
/** Clocks are set by less all the time. */
const clockSlackMs = 5_000
const noEvidence: HostEvidence = { strikes: 0, doubtSinceMs: undefined }

export class StrikeBook {
  readonly #options: StrikeOptions
  readonly #hosts = new Map<number, HostState>()
  /** Hosts that a network helped to drain, on one day. */
  readonly #drains = new Map<number, { day: number; count: number }>()
  /** How often a host that passed its probes was taken out, and when last; after a day without, it begins anew. */
  readonly #relapses = new Map<number, { count: number; atMs: number }>()
  #lastMs = never

  constructor(options: StrikeOptions) {
    this.#options = options
  }

  /** A clock that is set back takes all that is remembered with it: else circuits stayed open, and nothing was probed, for as long. */
  #follow(nowMs: number): void {
    const backMs = this.#lastMs - nowMs
    this.#lastMs = nowMs
    if (backMs <= clockSlackMs) return
    for (const host of this.#hosts.values()) {
      host.changedAtMs -= backMs
      host.probedAtMs -= backMs
      host.doubtedAtMs -= backMs
      for (const [prefixKey, atMs] of host.strikes) host.strikes.set(prefixKey, atMs - backMs)
    }
    for (const relapse of this.#relapses.values()) relapse.atMs -= backMs
  }

  circuitOf(hostId: number): Circuit {
    return this.#hosts.get(hostId)?.circuit ?? 'closed'
  }

  reasonOf(hostId: number): string | undefined {
    return this.#hosts.get(hostId)?.reason
  }

  /** What front doors are told: client networks that struck it lately, and since when it is in doubt. */
  evidenceOf(hostId: number, nowMs: number): HostEvidence {
    this.#follow(nowMs)
    const host = this.#hosts.get(hostId)
    if (!host) return noEvidence
    let strikes = 0
    for (const atMs of host.strikes.values()) if (nowMs - atMs <= this.#options.windowMs) strikes++
    return { strikes, doubtSinceMs: this.#isInDoubt(host, nowMs) ? host.doubtedAtMs : undefined }
  }

  /** True when the host is to be probed now; tell `probed` what came of it. */
  strike(hostId: number, prefixKey: number, nowMs: number): boolean {
    this.#follow(nowMs)
    const host = this.#stateOf(hostId)
    // A network that has used up its day still starts probes: they harm nobody.
    const before = host.strikes.get(prefixKey) ?? never
    if (nowMs - before < this.#options.repeatMs) return false
    host.strikes.delete(prefixKey)
    if (host.strikes.size >= this.#options.maxPrefixesPerHost) host.strikes.delete(host.strikes.keys().next().value!)
    host.strikes.set(prefixKey, nowMs)
    const isProbed = this.#doubt(host, nowMs)
    // The probe of a moment ago speaks for this strike too.
    if (!isProbed && host.circuit === 'closed' && host.passes > 0) this.#considerDrain(hostId, host, nowMs)
    return isProbed
  }

  /** A front door's own probe failed for whatever blob: true when the host is to be probed from here now. */
  suspect(hostId: number, nowMs: number): boolean {
    this.#follow(nowMs)
    return this.#doubt(this.#stateOf(hostId), nowMs)
  }

  #doubt(host: HostState, nowMs: number): boolean {
    if (!this.#isInDoubt(host, nowMs)) host.doubtedAtMs = nowMs
    if (nowMs - host.probedAtMs < this.#options.probeEveryMs) return false
    host.probedAtMs = nowMs
    host.passes = 0
    return true
  }

  #isInDoubt({ doubtedAtMs }: HostState, nowMs: number): boolean {
    return nowMs - doubtedAtMs < this.#options.doubtMs
  }

  /** Any probe of the host, on evidence or in its turn. */
  probed(hostId: number, failure: string | undefined, nowMs: number): void {
    this.#follow(nowMs)
    const known = this.#hosts.get(hostId)
    if (failure !== undefined) {
      const host = known ?? this.#stateOf(hostId)
      host.passes = 0
      this.#change(host, 'open', nowMs, failure)
      return
    }
    if (!known) return
    known.passes++
    if (known.circuit === 'open') {
      if (nowMs - known.changedAtMs < this.#openMs(known) || known.passes < neededPasses) return
      // Where a whole read failed, probes that pass say little: it takes another one.
      if (known.wholeFailures === 0) this.#close(hostId)
      else this.#change(known, 'draining', nowMs, 'probes pass again; a whole read decides')
      return
    }
    if (known.circuit === 'closed') this.#considerDrain(hostId, known, nowMs)
  }

  /** A whole read of a draining host: it comes back, or its circuit opens. */
  wholeRead(hostId: number, failure: string | undefined, nowMs: number): void {
    this.#follow(nowMs)
    const host = this.#hosts.get(hostId)
    if (host?.circuit !== 'draining') return
    if (failure === undefined) this.#close(hostId)
    else this.#failWhole(host, failure, nowMs)
  }

  /** It passes probes and failed a read like a client's. */
  expose(hostId: number, failure: string, nowMs: number): void {
    this.#follow(nowMs)
    const host = this.#stateOf(hostId)
    if (host.circuit === 'closed') this.#noteRelapse(hostId, nowMs)
    this.#failWhole(host, failure, nowMs)
  }

  /** Draining hosts whose time is over. */
  listToRead(nowMs: number): number[] {
    this.#follow(nowMs)
    return this.listDraining().filter((hostId) => nowMs - this.#hosts.get(hostId)!.changedAtMs >= this.#outMs(hostId))
  }

  /** Longer with each whole read in a row that failed: they cost both sides a layer. */
  #openMs({ wholeFailures }: HostState): number {
    return this.#options.openMs * 2 ** Math.min(Math.max(0, wholeFailures - 1), maxDoublings)
  }

  /** As the documents of the last run told: a restart must not let a bad host in again. */
  restore(hostId: number, circuit: Circuit, reason: string | undefined, nowMs: number): void {
    if (circuit === 'closed') return
    const host = this.#stateOf(hostId)
    // Why it opened is not known any more, so the harder way back is taken.
    if (circuit === 'open') host.wholeFailures = 1
    this.#change(host, circuit, nowMs, reason ?? 'as before the restart')
  }

  listDraining(): number[] {
    return [...this.#hosts].filter(([, { circuit }]) => circuit === 'draining').map(([hostId]) => hostId)
  }

  /** Forgets hosts that are gone. */
  keepOnly(hostIds: ReadonlySet<number>): void {
    for (const known of [this.#hosts, this.#relapses]) {
      for (const hostId of known.keys()) if (!hostIds.has(hostId)) known.delete(hostId)
    }
  }

  #considerDrain(hostId: number, host: HostState, nowMs: number): void {
    for (const [prefixKey, atMs] of host.strikes) {
      if (nowMs - atMs > this.#options.windowMs) host.strikes.delete(prefixKey)
    }
    if (host.strikes.size === 0) {
      this.#hosts.delete(hostId)
      return
    }
    const day = Math.floor(nowMs / dayMs)
    const counted = [...host.strikes.keys()].filter((prefixKey) => this.#mayDrain(prefixKey, day))
    if (counted.length < this.#options.drainPrefixes || this.listDraining().length >= this.#options.maxDraining) return
    for (const prefixKey of counted) this.#charge(prefixKey, day)
    this.#noteRelapse(hostId, nowMs)
    this.#change(host, 'draining', nowMs, `clients of ${counted.length} networks failed there, though probes pass`)
  }

  #failWhole(host: HostState, failure: string, nowMs: number): void {
    host.passes = 0
    host.wholeFailures++
    this.#change(host, 'open', nowMs, failure)
  }

  #noteRelapse(hostId: number, nowMs: number): void {
    const before = this.#relapses.get(hostId)
    this.#relapses.set(hostId, { count: before && nowMs - before.atMs < dayMs ? before.count + 1 : 0, atMs: nowMs })
  }

  /** Nothing the first time: a crowd behind one address may have looked like failures, and a whole read tells. */
  #outMs(hostId: number): number {
    const { openMs, maxOutMs } = this.#options
    const count = this.#relapses.get(hostId)?.count ?? 0
    return count === 0 ? 0 : Math.min(openMs * 2 ** (count - 1), maxOutMs)
  }

  #mayDrain(prefixKey: number, day: number): boolean {
    const drains = this.#drains.get(prefixKey)
    return !drains || drains.day !== day || drains.count < this.#options.maxDrainsPerPrefix
  }

  #charge(prefixKey: number, day: number): void {
    const before = this.#drains.get(prefixKey)
    this.#drains.delete(prefixKey)
    if (this.#drains.size >= this.#options.maxPrefixes) this.#drains.delete(this.#drains.keys().next().value!)
    this.#drains.set(prefixKey, { day, count: before?.day === day ? before.count + 1 : 1 })
  }

  #change(host: HostState, circuit: Circuit, nowMs: number, reason: string): void {
    if (host.circuit !== circuit) host.changedAtMs = nowMs
    host.circuit = circuit
    host.reason = reason
  }

  #close(hostId: number): void {
    this.#hosts.delete(hostId)
  }

  #stateOf(hostId: number): HostState {
    let host = this.#hosts.get(hostId)
    if (!host) {
      host = {
        circuit: 'closed',
        changedAtMs: never,
        reason: undefined,
        passes: 0,
        wholeFailures: 0,
        probedAtMs: never,
        doubtedAtMs: never,
        strikes: new Map(),
      }
      this.#hosts.set(hostId, host)
    }
    return host
  }
}
