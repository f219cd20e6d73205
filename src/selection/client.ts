// What selection has to know about who asks, what for, and how the answer may be drawn.

import type { Address } from '#kit/address.ts'
import type { HealthIndex, PlacementIndex } from '#snapshots/index-placement.ts'
import type { Headroom } from './headroom.ts'

/** fragile: fails for good at the first fault; forgiving: asks again, so it may meet a host on probation. */
export type ClientKind = 'fragile' | 'normal' | 'forgiving'

export type SelectionClient = {
  readonly address: Address
  readonly prefixKey: number
  /** ISO 3166-1 alpha-2; undefined when nothing is known. */
  readonly country: string | undefined
  readonly asn: number | undefined
  readonly kind: ClientKind
  readonly isTls: boolean
}

export type WantedBlob = {
  readonly digest: string
  /** The first generation whose tree carries it. */
  readonly generation: number
}

export type Fleet = { readonly placement: PlacementIndex; readonly health: HealthIndex }

export type Draw = {
  /** A number that changes now and then (time divided by minutes): the same epoch draws the same hosts. */
  readonly epoch: number
  /** Whether a client that came over https may be sent to a host that speaks only http. */
  readonly allowHttpHosts: boolean
  /** No more candidates than this. */
  readonly limit: number
  /** What the hosts have to send already; undefined: every host counts as idle. */
  readonly headroom?: Headroom | undefined
  /** When it is drawn: reading a clock is dear where thousands are drawn in a second. */
  readonly nowMs?: number | undefined
}
