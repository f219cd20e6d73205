// The health snapshot: liveness and circuits of the hosts, made by the mirror role every few seconds.

export type HostHealth = {
  readonly id: number
  readonly isAlive: boolean
  /** What the last probe said when it failed, in words for the host's admin. */
  readonly reason: string | undefined
  readonly checkedAtMs: number
  readonly roundTripMs: number
  /** Families over which the last probes succeeded; undefined: not told apart. */
  readonly families?: readonly (4 | 6)[] | undefined
  /** open: takes nothing; draining: weight 0 until whole reads passed. */
  readonly circuit: 'closed' | 'open' | 'draining'
  /** A look at it failed a short while ago: what is told here of its life is not enough to send a client there. */
  readonly isShaky?: boolean | undefined
  /** Client networks that it failed lately, as front doors told. */
  readonly strikes?: number
  /** By the clock of the mirror role, and to be compared with nothing: another number is another doubt. A front door sends nobody
   *  there until a probe of its own has passed since it heard of this one. */
  readonly doubtSinceMs?: number | undefined
}

export type HealthDocument = {
  readonly format: 1
  readonly version: number
  readonly builtAtMs: number
  readonly hosts: readonly HostHealth[]
}
