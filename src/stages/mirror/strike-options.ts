// How much evidence it takes, how long it counts, and what one client network can bring about.

export type StrikeOptions = {
  /** How long a strike counts. */
  readonly windowMs: number
  /** Different client networks whose strikes drain a host that passes its probes. */
  readonly drainPrefixes: number
  /** Hosts that the strikes of one network may help to drain in a day. */
  readonly maxDrainsPerPrefix: number
  /** Hosts that may be drained at once, whoever strikes. */
  readonly maxDraining: number
  /** Probes of one host are at least so far apart. */
  readonly probeEveryMs: number
  /** So long a network that struck a host says nothing new of it: nobody brings about probes by asking on and on. */
  readonly repeatMs: number
  /** A doubt that front doors are told of lasts so long, and then another may follow. */
  readonly doubtMs: number
  /** An open circuit stays so at least this long, then closes after two probes that passed; or drains, when a whole read had failed. */
  readonly openMs: number
  /** A host that drains again stays out for `openMs`, doubled with each time up to this, before it is read whole. */
  readonly maxOutMs: number
  readonly maxPrefixesPerHost: number
  readonly maxPrefixes: number
}
