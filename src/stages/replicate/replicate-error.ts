/** Why a run ended early; the folder keeps its last complete generation and the next run goes on from there.
 *  source: the other side failed or lied; untrusted: not signed by the pinned key; backwards: older than what was seen;
 *  disk: no room; folder: the target is not what it should be; stopped: by a signal. */
export type ReplicateReason = 'source' | 'untrusted' | 'backwards' | 'disk' | 'folder' | 'stopped'

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
