// The ways in which a volunteer's host fails the clients that were sent to it. One row each; serve-fault.ts puts them on the wire.

export type FaultKind =
  /** Seen before any request is read: by whoever dials. */
  | 'dial'
  /** An answer that says at once that there is nothing. */
  | 'answer'
  /** The bytes begin and do not end as they should. */
  | 'transfer'
  /** A clean transfer of the wrong thing. */
  | 'content'

export type Fault = {
  readonly name: string
  readonly kind: FaultKind
  /**
   * What `field/clients.md` of the project's notes calls unsurvivable when it begins between proof and download, by the family of
   * client: nobody comes back, or not within a test's patience.
   */
  readonly lateFatalTo: readonly ('docker' | 'podman')[]
}

const nobody = [] as const
const podman = ['podman'] as const
const both = ['docker', 'podman'] as const

const rows = [
  { name: '404', kind: 'answer', lateFatalTo: podman },
  { name: '401', kind: 'answer', lateFatalTo: podman },
  { name: '403', kind: 'answer', lateFatalTo: podman },
  { name: '410', kind: 'answer', lateFatalTo: podman },
  { name: '429', kind: 'answer', lateFatalTo: nobody },
  { name: '500', kind: 'answer', lateFatalTo: podman },
  { name: '503', kind: 'answer', lateFatalTo: podman },
  { name: 'refused', kind: 'dial', lateFatalTo: nobody },
  { name: 'SYN dropped', kind: 'dial', lateFatalTo: nobody },
  { name: 'closes at once', kind: 'answer', lateFatalTo: nobody },
  { name: 'never answers', kind: 'answer', lateFatalTo: both },
  { name: 'half, then silence', kind: 'transfer', lateFatalTo: both },
  { name: 'half, then gone', kind: 'transfer', lateFatalTo: both },
  { name: 'FIN midway', kind: 'transfer', lateFatalTo: podman },
  { name: 'RST midway', kind: 'transfer', lateFatalTo: nobody },
  { name: 'short', kind: 'content', lateFatalTo: both },
  { name: 'wrong bytes', kind: 'content', lateFatalTo: both },
  { name: 'html 200', kind: 'content', lateFatalTo: both },
  { name: 'empty 200', kind: 'content', lateFatalTo: both },
  { name: 'trailing junk', kind: 'content', lateFatalTo: both },
  { name: 'cut, Range ignored', kind: 'transfer', lateFatalTo: podman },
  { name: 'cut, Range 416', kind: 'transfer', lateFatalTo: podman },
  { name: 'cut, wrong Content-Range', kind: 'transfer', lateFatalTo: podman },
  { name: 'gzip', kind: 'content', lateFatalTo: both },
  { name: 'x-gzip', kind: 'content', lateFatalTo: nobody },
  { name: 'redirect loop', kind: 'answer', lateFatalTo: podman },
  { name: 'bad certificate', kind: 'dial', lateFatalTo: podman },
] as const satisfies readonly Fault[]

export type FaultName = (typeof rows)[number]['name']
export const faults: readonly (Fault & { readonly name: FaultName })[] = rows
