import type { ChainReason, ChainRefused } from '#trust/chain-refused.ts'

/** Why a run ended early; the folder keeps its last complete generation and the next run goes on from there.
 *  source: the other side failed or lied; untrusted: not signed by the keys that are trusted here; expired: signed too long ago, or
 *  the clock here is wrong; backwards: older than what was seen; mixed: parts of two states; disk: no room; folder: the target is not
 *  what it should be; busy: another run is at work there; window: not at this time of the day; selection: what was chosen is nothing;
 *  stopped: by a signal. */
export type ReplicateReason =
  | 'source'
  | 'untrusted'
  | 'expired'
  | 'backwards'
  | 'mixed'
  | 'disk'
  | 'folder'
  | 'busy'
  | 'window'
  | 'selection'
  | 'stopped'

export class ReplicateError extends Error {
  override readonly name = 'ReplicateError'
  readonly reason: ReplicateReason
  constructor(reason: ReplicateReason, message: string, options?: ErrorOptions) {
    super(message, options)
    this.reason = reason
  }
}

export function isDiskFull(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException
  return code === 'ENOSPC' || code === 'EDQUOT'
}

const reasons: Readonly<Record<ChainReason, ReplicateReason>> = {
  unsigned: 'untrusted',
  malformed: 'untrusted',
  expired: 'expired',
  backwards: 'backwards',
  mixed: 'mixed',
  missing: 'source',
  'other-channel': 'folder',
  folder: 'folder',
}

/** `from`: the address whose metadata were refused. */
export function explainChain(refused: ChainRefused, from: string): ReplicateError {
  return new ReplicateError(reasons[refused.reason], `${from}: ${refused.message}`, { cause: refused })
}
