// How a front door chooses: how many hosts it looks at, how long what it knows counts, and how long a client waits.

import type { Draw, Fleet } from '#selection/client.ts'

export type ChooseOptions = {
  readonly allowHttpHosts: boolean
  /** For so long the same client meets the same hosts for the same blob. */
  readonly epochMs: number
  readonly maxCandidates: number
  /** When the origin is at its limits. */
  readonly maxFartherCandidates: number
  /** Asks closer together are one. */
  readonly echoMs: number
  /** Health older than this proves nothing: the hosts are probed from here. */
  readonly maxHealthAgeMs: number
  readonly maxPlacementAgeMs: number
  /** The longest that a client is held. */
  readonly holdMs: number
  /** A probe may take this long, or so many measured round trips of its host if that is longer. */
  readonly minProbeMs: number
  readonly probeRoundTrips: number
  readonly parallelProbes: number
}

export const chooseDefaults: ChooseOptions = {
  allowHttpHosts: false,
  epochMs: 600_000,
  maxCandidates: 5,
  maxFartherCandidates: 32,
  echoMs: 2_000,
  maxHealthAgeMs: 60_000,
  maxPlacementAgeMs: 4 * 3_600_000,
  holdMs: 5_000,
  minProbeMs: 1_000,
  probeRoundTrips: 4,
  parallelProbes: 2,
}

export function drawOptions(options: ChooseOptions, nowMs: number, limit = options.maxCandidates): Draw {
  const epoch = Math.floor(nowMs / options.epochMs)
  return { epoch, allowHttpHosts: options.allowHttpHosts, limit }
}

/** Whether liveness and placement are young enough to be a proof. */
export function isFleetFresh({ placement, health }: Fleet, options: ChooseOptions, nowMs: number): boolean {
  return nowMs - health.builtAtMs < options.maxHealthAgeMs && nowMs - placement.builtAtMs < options.maxPlacementAgeMs
}
