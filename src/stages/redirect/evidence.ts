// What front doors learn about hosts. The mirror role gathers it: it starts probes and drains; here only a failed probe closes.

export type Evidence =
  | {
      /** resume: a broken transfer, one strike. miss: the host itself says that it lacks the blob. */
      readonly kind: 'resume' | 'miss'
      readonly hostId: number
      readonly digest: string
      /** The /24 or /48 that saw it. */
      readonly prefixKey: number
      readonly atMs: number
    }
  | {
      /** Weak: a client came again. */
      readonly kind: 're-ask'
      readonly hostId: number
      readonly digest: string
      readonly prefixKey: number
      readonly atMs: number
    }
  | {
      /** Bytes that came through here and did not have their digest: of this host alone (isSure), or of it and others. */
      readonly kind: 'wrong-bytes'
      readonly hostId: number
      readonly digest: string
      readonly prefixKey: number
      readonly isSure: boolean
      readonly reason: string
      readonly atMs: number
    }
  | {
      readonly kind: 'probe-passed'
      readonly hostId: number
      readonly digest: string
      readonly atMs: number
    }
  | {
      /** Of a probe, or of a stream that read there. */
      readonly kind: 'probe-failed'
      readonly hostId: number
      readonly digest: string
      /** In words for the host's admin. */
      readonly reason: string
      /** It would have failed for every other blob as well. */
      readonly isHostWide: boolean
      readonly atMs: number
    }

export type ReportEvidence = (evidence: Evidence) => void
