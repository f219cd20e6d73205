// Several upstreams of one tree: who is asked next, who is left out, who lied. What each may be believed is the same: nothing that a
// digest does not prove.

import type { RedirectHost, TreeSource } from './tree-source.ts'

/** Who sent bytes that are not what they should be. */
export type Liar = { readonly url: string; readonly path: string; readonly what: string }

const leastMeasuredBytes = 32 * 1024

/** What is known of an upstream in this run. */
export class Upstream {
  readonly source: TreeSource
  /** Requests under way. */
  active = 0
  /** 0: not measured yet. */
  bytesPerMs = 0
  failuresInARow = 0
  busyInARow = 0
  /** Asked before this only when nobody else is there. */
  restsUntilMs = 0
  /** Not asked before this: it said so. */
  busyUntilMs = 0
  isDropped = false

  constructor(source: TreeSource) {
    this.source = source
  }

  get url(): string {
    return this.source.url
  }

  /** The newest measurement counts a third; a small file measures the way there, not the speed. */
  brought(bytes: number, ms: number): void {
    this.failuresInARow = this.busyInARow = 0
    this.restsUntilMs = 0
    if (bytes < leastMeasuredBytes) return
    const measured = bytes / Math.max(ms, 1)
    this.bytesPerMs = this.bytesPerMs === 0 ? measured : (this.bytesPerMs * 2 + measured) / 3
  }
}

const firstRestMs = 1_000
const longestRestMs = 60_000
/** A source that puts off this many files one after the other is asked for none until the time it said. */
const busyBeforeRest = 8

/** Of failed hosts and of lies: a source can make up as many as it likes. */
const mostTold = 50

export type SourcesTools = {
  readonly now: () => number
  readonly onLiar: (liar: Liar) => void
  /** Once for each host. */
  readonly onHostFailed: (host: RedirectHost, message: string) => void
}

export class TreeSources {
  readonly upstreams: readonly Upstream[]
  readonly liars: Liar[] = []
  readonly #failedHosts = new Set<string>()
  readonly #tools: SourcesTools

  constructor(sources: readonly TreeSource[], tools: SourcesTools) {
    this.upstreams = sources.map((source) => new Upstream(source))
    this.#tools = tools
  }

  /** The fastest that is free, a new one first; undefined: all are dropped, busy, or in `without`. */
  choose(without: ReadonlySet<Upstream>): Upstream | undefined {
    const nowMs = this.#tools.now()
    const able = this.upstreams.filter((one) => !one.isDropped && one.busyUntilMs <= nowMs && !without.has(one))
    const awake = able.filter((one) => one.restsUntilMs <= nowMs)
    if (awake.length === 0) return able.toSorted((a, b) => a.restsUntilMs - b.restsUntilMs)[0]
    const best = Math.max(1, ...awake.map((one) => one.bytesPerMs))
    const worth = (one: Upstream) => (one.bytesPerMs || 2 * best) / (one.active + 1)
    return awake.reduce((chosen, one) => (worth(one) > worth(chosen) ? one : chosen))
  }

  /** Until one that is not in `without` may be asked again; undefined: none is busy. */
  busyForMs(without: ReadonlySet<Upstream>): number | undefined {
    const nowMs = this.#tools.now()
    const busy = this.upstreams.filter((one) => !one.isDropped && one.busyUntilMs > nowMs && !without.has(one))
    return busy.length > 0 ? Math.min(...busy.map((one) => one.busyUntilMs)) - nowMs : undefined
  }

  failed(upstream: Upstream): void {
    upstream.failuresInARow++
    const restMs = Math.min(longestRestMs, firstRestMs * 2 ** (upstream.failuresInARow - 1))
    upstream.restsUntilMs = this.#tools.now() + restMs
  }

  busy(upstream: Upstream, retryAfterMs: number): void {
    if (++upstream.busyInARow >= busyBeforeRest) upstream.busyUntilMs = this.#tools.now() + retryAfterMs
  }

  /** The source is not to send us there again. */
  hostFailed(upstream: Upstream, host: RedirectHost, message: string): void {
    upstream.source.avoid(host.name)
    if (this.#failedHosts.has(host.url) || this.#failedHosts.size >= mostTold) return
    this.#failedHosts.add(host.url)
    this.#tools.onHostFailed(host, message)
  }

  /** Of a host: the source is not to send us there again. */
  lied(upstream: Upstream, host: RedirectHost | undefined, path: string, what: string): void {
    const liar = { url: host?.url ?? upstream.url, path, what }
    if (this.liars.length < mostTold) this.liars.push(liar)
    this.#tools.onLiar(liar)
    if (host) upstream.source.avoid(host.name)
    // The last one is kept for its other files.
    else upstream.isDropped = this.upstreams.some((one) => one !== upstream && !one.isDropped)
  }

  /** Its metadata are not what is trusted here: nothing is asked of it. */
  distrust(url: string): void {
    for (const one of this.upstreams) if (one.url === url) one.isDropped = true
  }
}
