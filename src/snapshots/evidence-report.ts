// What a front door tells the mirror role, at most once a second: what clients and its own probes showed of hosts. JSON:
//
//   { "format": 1, "evidence": [
//     { "kind": "resume" | "miss", "hostId": 7, "digest": "sha256:…", "prefixKey": 3325256704, "agoMs": 120 },
//     { "kind": "probe-failed", "hostId": 7, "digest": "sha256:…", "reason": "answered 500", "isHostWide": true, "agoMs": 80 },
//     { "kind": "wrong-bytes", "hostId": 7, "digest": "sha256:…", "prefixKey": 3325256704, "isSure": true, "reason": "…", "agoMs": 9 } ] }
//
// Times are ages, so that no two clocks are compared.
import { z } from 'zod'
import { type Digest, parseDigest } from '#oci/digest.ts'

/** Of one report; a front door drops the oldest beyond. */
export const maxEvidence = 1000
/** A report with as much, each with the longest reason, is smaller. */
export const maxEvidenceReportBytes = 1024 * 1024
/** Older evidence says nothing about now. */
export const evidenceLifeMs = 300_000
const maxReasonLength = 500

type About = { readonly hostId: number; readonly digest: string; readonly atMs: number }

/** resume: a transfer broke, one strike. miss: a host sent a client back. wrong-bytes: a stream had another digest, by this host alone
 *  (isSure) or by one of several. Those say which client network saw it. */
export type ReportedEvidence =
  | (About & { readonly kind: 'resume' | 'miss'; readonly prefixKey: number })
  | (About & { readonly kind: 'probe-failed'; readonly reason: string; readonly isHostWide: boolean })
  | (About & {
      readonly kind: 'wrong-bytes'
      readonly prefixKey: number
      readonly isSure: boolean
      readonly reason: string
    })

export class EvidenceRefused extends Error {
  override readonly name = 'EvidenceRefused'
}

export function encodeEvidence(evidence: readonly ReportedEvidence[], nowMs: number): string {
  const rows = evidence.slice(-maxEvidence).map(({ atMs, ...one }) => {
    const reason = 'reason' in one ? { reason: one.reason.slice(0, maxReasonLength) } : {}
    return { ...one, ...reason, agoMs: Math.max(0, Math.round(nowMs - atMs)) }
  })
  return JSON.stringify({ format: 1, evidence: rows })
}

const digest = z.custom<Digest>((value) => typeof value === 'string' && parseDigest(value) !== undefined, {
  error: 'no digest',
})
const about = {
  hostId: z.int().min(1),
  digest,
  // A clock that was set back makes an age negative: it happened now.
  agoMs: z.number().transform((ms) => Math.max(0, ms)),
}
const report = z.strictObject({
  format: z.literal(1),
  evidence: z
    .array(
      z.discriminatedUnion('kind', [
        z.strictObject({ kind: z.enum(['resume', 'miss']), ...about, prefixKey: z.int().min(0) }),
        z.strictObject({
          kind: z.literal('probe-failed'),
          ...about,
          reason: z.string().max(maxReasonLength),
          isHostWide: z.boolean(),
        }),
        z.strictObject({
          kind: z.literal('wrong-bytes'),
          ...about,
          prefixKey: z.int().min(0),
          isSure: z.boolean(),
          reason: z.string().max(maxReasonLength),
        }),
      ]),
    )
    .max(maxEvidence),
})

/** Without what is too old to count. Throws EvidenceRefused and takes nothing, where a single field is wrong. */
export function parseEvidence(text: string, nowMs: number): ReportedEvidence[] {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    throw new EvidenceRefused(`the report is no JSON: ${(error as Error).message}`, { cause: error })
  }
  const { success, data, error } = report.safeParse(value)
  if (!success) {
    const [first] = error.issues
    throw new EvidenceRefused(`the report is refused at ${first?.path.join('.') || 'its top'}: ${first?.message}`)
  }
  return data.evidence
    .filter(({ agoMs }) => agoMs <= evidenceLifeMs)
    .map(({ agoMs, ...one }) => ({ ...one, atMs: nowMs - agoMs }))
}
