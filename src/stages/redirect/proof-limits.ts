// How long what a front door finds out by its own probes counts, and how many probes it makes.

export type ProofLimits = {
  /** How long a passed probe counts. */
  readonly goodForMs: number
  /** How long a failed one closes, doubled with each in a row. */
  readonly badForMs: number
  readonly maxBadForMs: number
  /** A host that failed here is shaky for so long: until then what the snapshots say of its life is not enough. */
  readonly shakyMs: number
  /** And a probe that passed there, of whichever blob, is enough for so long. */
  readonly freshMs: number
  /** Doubts about what passed this short a while ago are echoes. */
  readonly echoMs: number
  readonly maxPairs: number
  /** Probes that this front door spends on a host: so many a day, and so many at once when it spent few before. */
  readonly perHostAndDay: number
  readonly burstPerHost: number
  /** Probes that run at once. */
  readonly maxRunning: number
  readonly maxRunningPerHost: number
  readonly maxRunningPerPrefix: number
  /** Clients that are held at once while hosts are probed for them; the next go to the origin. */
  readonly maxHeld: number
  /** Of one prefix: a whole campus may wait for one probe. */
  readonly maxHeldPerPrefix: number
}

export const proofLimitDefaults: ProofLimits = {
  goodForMs: 60_000,
  badForMs: 30_000,
  maxBadForMs: 600_000,
  shakyMs: 600_000,
  freshMs: 200,
  perHostAndDay: 300,
  burstPerHost: 500,
  echoMs: 2_000,
  maxPairs: 20_000,
  maxRunning: 256,
  maxRunningPerHost: 4,
  maxRunningPerPrefix: 16,
  maxHeld: 2_000,
  maxHeldPerPrefix: 500,
}
