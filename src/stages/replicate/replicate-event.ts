import type { ReplicateReason } from './replicate-error.ts'

/** What happens in a run, for machines that read along. */
export type ReplicateEvent =
  | { readonly event: 'start'; readonly from: readonly string[]; readonly to: string }
  | { readonly event: 'generation'; readonly channel: string; readonly generation: number; readonly held: number }
  | { readonly event: 'believed'; readonly root: string }
  /** A source that could not be followed, while another could. */
  | { readonly event: 'source'; readonly url: string; readonly reason: ReplicateReason; readonly message: string }
  | { readonly event: 'file'; readonly path: string; readonly bytes: number; readonly from: string }
  | { readonly event: 'liar'; readonly url: string; readonly path: string; readonly what: string }
  | { readonly event: 'damaged'; readonly path: string }
  /** `what`: a file that a source put off. */
  | { readonly event: 'wait'; readonly what: string; readonly ms: number }
