// The ticket that a redirect of the front door carries: proof, for a host that sends the client back and for the origin, that we sent
// it there. Nothing in it tells a repository; it is worth nothing to another client, for another blob, or later.
//
//   <minute>-<host>-<mac>    the first two in base 36; mac: the first 16 characters (96 bits) of HMAC-SHA-256 over all that it binds
import { timingSafeEqual } from 'node:crypto'
import { hmacSha256 } from '#kit/hmac.ts'

const macLength = 16
/** Both numbers at their largest, two hyphens, the mac. */
const maxLength = 64
const minuteMs = 60_000

/** In the place of a host's id: the client was sent to the origin. No host has it. */
export const originTicketId = 0
/** In the place of a client's network, which no client has: a front door reads for one. It never leaves our own machines. */
export const frontDoorPrefixKey = -1
/** A pull of a large layer over a thin line asks again with what it was given minutes ago. */
export const ticketLifeMs = 600_000

const form = /^([0-9a-z]{1,10})-([0-9a-z]{1,10})-[A-Za-z0-9_-]{16}$/

export type TicketAbout = { readonly prefixKey: number; readonly digest: string; readonly nowMs: number }

export class Tickets {
  readonly #key: Uint8Array
  readonly #lifeMinutes: number
  /** Most tickets are of one minute, and a number is dear to write. */
  #lastMinute = -1
  #lastMinuteText = ''

  /** Front doors that share a name share the key. */
  constructor(key: Uint8Array, lifeMs: number) {
    if (key.length < 32) throw new RangeError('the key of the tickets has fewer than 32 bytes')
    this.#key = key
    this.#lifeMinutes = Math.ceil(lifeMs / minuteMs)
  }

  issue(hostId: number, about: TicketAbout): string {
    return this.#make(Math.floor(about.nowMs / minuteMs), hostId, about)
  }

  /** The host that a good ticket is about. */
  check(text: string, about: TicketAbout): number | undefined {
    const match = text.length <= maxLength ? form.exec(text) : null
    if (!match) return undefined
    const minute = Number.parseInt(match[1]!, 36)
    const hostId = Number.parseInt(match[2]!, 36)
    const age = Math.floor(about.nowMs / minuteMs) - minute
    // One minute ahead: another front door's clock.
    if (age < -1 || age > this.#lifeMinutes) return undefined
    const right = this.#make(minute, hostId, about)
    return text.length === right.length && timingSafeEqual(Buffer.from(text), Buffer.from(right)) ? hostId : undefined
  }

  #make(minute: number, hostId: number, { prefixKey, digest }: TicketAbout): string {
    const mac = hmacSha256(this.#key, `${minute} ${hostId} ${prefixKey} ${digest}`).slice(0, macLength)
    if (minute !== this.#lastMinute) {
      this.#lastMinute = minute
      this.#lastMinuteText = minute.toString(36)
    }
    return `${this.#lastMinuteText}-${hostId.toString(36)}-${mac}`
  }
}
