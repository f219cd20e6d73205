// The placement snapshot: which hosts there are, whom each may serve, and which blobs each is proven to hold.
// It travels as JSON (PlacementDocument) and is indexed once on arrival (indexPlacement).

import type { Position } from '#kit/great-circle.ts'

export type HostGrade = 'gold' | 'proven' | 'probation'

export type PlacedHost = {
  readonly id: number
  readonly name: string
  readonly site: string
  readonly grade: HostGrade
  /** ISO 3166-1 alpha-2, upper case; undefined when nobody said. */
  readonly country: string | undefined
  /** Where it stands, if somebody said; else it counts as in the middle of its country. */
  readonly position?: Position | undefined
  readonly bandwidthMbps: number
  /** Served only to clients of its own netblocks. */
  readonly isPrivate: boolean
  /** CIDR text. */
  readonly netblocks: readonly string[]
  /** Countries it serves; empty: all. */
  readonly allowedCountries: readonly string[]
  readonly asn: number | undefined
  readonly peerAsns: readonly number[]
  /** Base addresses without a trailing slash; the blob is at `<url>/blobs/sha256/ab/<hex>`. Preferred first. */
  readonly urls: readonly string[]
  /** Why it takes no part; undefined when it does. Kept so that `explain` names every host. */
  readonly excluded: string | undefined
  /** Every tree blob up to this generation was proven there, but for `missing`; 0: none. */
  readonly generation: number
  /** Digests up to `generation` that it lacks or holds wrong. */
  readonly missing: readonly string[]
  /** Digests of later generations that were proven already. */
  readonly extra: readonly string[]
  /** Whether redirects to it carry the ticket in their query. */
  readonly ticket: 'query' | 'none'
}

export type PlacementDocument = {
  readonly format: 1
  readonly version: number
  readonly builtAtMs: number
  readonly channel: string
  readonly hosts: readonly PlacedHost[]
}
