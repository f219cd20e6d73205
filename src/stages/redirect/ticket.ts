// The ticket that a redirect carries, so that a host can send a client back with proof that we sent it there. Nothing in it tells
// a repository; it is worth nothing to another client, for another blob, or later.
//
//   minute (4) | host (4) | the first 12 bytes of HMAC-SHA-256(key, "minute host prefix digest")     as base64url
import { timingSafeEqual } from 'node:crypto'
import { hmacSha256 } from '#kit/hmac.ts'

const macBytes = 12
const ticketLength = 27
const minuteMs = 60_000

export type TicketAbout = { readonly prefixKey: number; readonly digest: string; readonly nowMs: number }

export class Tickets {
  readonly #key: Uint8Array
  readonly #lifeMinutes: number

  /** Front doors that share a name share the key. */
  constructor(key: Uint8Array, lifeMs: number) {
    if (key.length < 32) throw new RangeError('the key of the tickets has fewer than 32 bytes')
    this.#key = key
    this.#lifeMinutes = Math.ceil(lifeMs / minuteMs)
  }

  issue(hostId: number, about: TicketAbout): string {
    return this.#make(Math.floor(about.nowMs / minuteMs), hostId, about).toString('base64url')
  }

  /** The host that a good ticket is about. */
  check(text: string, about: TicketAbout): number | undefined {
    if (text.length !== ticketLength) return undefined
    const given = Buffer.from(text, 'base64url')
    if (given.length !== 8 + macBytes) return undefined
    const minute = given.readUInt32BE(0)
    const age = Math.floor(about.nowMs / minuteMs) - minute
    // One minute ahead: another front door's clock.
    if (age < -1 || age > this.#lifeMinutes) return undefined
    const hostId = given.readUInt32BE(4)
    return timingSafeEqual(given, this.#make(minute, hostId, about)) ? hostId : undefined
  }

  #make(minute: number, hostId: number, { prefixKey, digest }: TicketAbout): Buffer {
    const ticket = Buffer.allocUnsafe(8 + macBytes)
    ticket.writeUInt32BE(minute, 0)
    ticket.writeUInt32BE(hostId, 4)
    ticket.set(hmacSha256(this.#key, `${minute} ${hostId} ${prefixKey} ${digest}`).subarray(0, macBytes), 8)
    return ticket
  }
}
