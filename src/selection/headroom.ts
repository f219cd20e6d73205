// How much a host has to send already, as far as this front door knows: what it sent there, less what the host has sent since at its
// declared bandwidth. A number a host and nothing to sweep: it is the time at which the host will be done.

import type { PlacedHost } from '#snapshots/placement.ts'

export type HeadroomOptions = {
  /** The part of a host's declared bandwidth that this front door may fill, above 0. With several front doors: what falls to each. */
  readonly hostShare: number
  /** A host that is busy for longer than this takes no more clients while another one is free. */
  readonly aheadMs: number
}

export const headroomDefaults: HeadroomOptions = { hostShare: 1, aheadMs: 10_000 }

/** Clients from outside its network, AS and country are turned away earlier, so that its own find room first. */
const guestPart = 0.5
/** Asks are no downloads: whoever asks and does not fetch makes a host look busy for so many times `aheadMs` at most. */
const mostAheads = 6

/** A clock that was set back further makes all that was booked void: else no host had room for as long. */
const clockSlackMs = 60_000

/** Ids are serial numbers of a catalogue; from here on hosts are not counted and always have room. */
const mostHosts = 1 << 20

export class Headroom {
  readonly #options: HeadroomOptions
  readonly #now: () => number
  /** By host id. */
  #doneAtMs = new Float64Array(1024)
  #lastMs = 0

  constructor(options: HeadroomOptions, now: () => number) {
    this.#options = options
    this.#now = now
  }

  /** A client was sent to the host for so many bytes. */
  book(host: PlacedHost, bytes: number, nowMs = this.#now()): void {
    const { id } = host
    if (id >= mostHosts) return
    if (id >= this.#doneAtMs.length) this.#grow(id)
    const { hostShare, aheadMs } = this.#options
    const bytesPerMs = (Math.max(1, host.bandwidthMbps) * hostShare * 1e6) / 8 / 1000
    const doneAtMs = Math.max(nowMs, this.#doneAtMs[id]!) + bytes / bytesPerMs
    this.#doneAtMs[id] = Math.min(doneAtMs, nowMs + mostAheads * aheadMs)
  }

  /** For how long the host is busy with what it was given. */
  busyMs(id: number): number {
    return Math.max(0, this.doneAtMs(id) - this.#now())
  }

  hasRoom(id: number, isHome: boolean): boolean {
    return this.fullFromMs(isHome) >= this.doneAtMs(id)
  }

  /** When the host is done with what it was given; 0: it never was given anything. */
  doneAtMs(id: number): number {
    return id < this.#doneAtMs.length ? this.#doneAtMs[id]! : 0
  }

  /** A host that is done later than this has no room now: the clock is read once for many hosts. */
  fullFromMs(isHome: boolean, nowMs = this.#now()): number {
    if (nowMs < this.#lastMs - clockSlackMs) this.#doneAtMs.fill(0)
    this.#lastMs = nowMs
    return nowMs + this.#options.aheadMs * (isHome ? 1 : guestPart)
  }

  #grow(id: number): void {
    const grown = new Float64Array(2 ** Math.ceil(Math.log2(id + 1)))
    grown.set(this.#doneAtMs)
    this.#doneAtMs = grown
  }
}
