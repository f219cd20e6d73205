// The short reason of an answer, for the header `Flotilla-Decision`, the access log and `explain`: a structured field (RFC 9651), an
// item with parameters. `host; host=mirror.example.org; tier=country; proof=snapshot`
import type { Answer } from '#http/answer.ts'
import type { SelectionClient } from '#selection/client.ts'
import { type TierName, tiersOf } from '#selection/tiers.ts'
import type { Candidate, PlacementIndex } from '#snapshots/index-placement.ts'
import type { OriginReason } from './choose-host.ts'
import type { Step } from './decision.ts'

export const decisionHeader = 'flotilla-decision'

export type Decision = {
  readonly step: Step
  readonly host?: string | undefined
  readonly tier?: TierName | undefined
  /** snapshot: liveness and crawl. probe: one of our own, a moment ago. Undefined: none, as for a further part of a transfer. */
  readonly proof?: 'snapshot' | 'probe' | undefined
  readonly reason?: OriginReason | 'empty' | 'policy' | 'part' | undefined
  /** Of a miss: whether its ticket was good. */
  readonly ticket?: boolean | undefined
}

export function decisionText({ step, host, tier, proof, reason, ticket }: Decision): string {
  let text: string = step
  if (host !== undefined) text += `; host=${tokenOrString(host)}`
  if (tier !== undefined) text += `; tier=${tier}`
  if (proof !== undefined) text += `; proof=${proof}`
  if (reason !== undefined) text += `; reason=${reason}`
  if (ticket !== undefined) text += `; ticket=${ticket ? '?1' : '?0'}`
  return text
}

export function withDecision(answer: Answer, decision: Decision): Answer {
  return { ...answer, headers: { ...answer.headers, [decisionHeader]: decisionText(decision) } }
}

const token = /^[A-Za-z*][A-Za-z0-9!#$%&'*+\-.^_`|~:/]*$/

/** Strings are ASCII without controls; a name of a host is. */
function tokenOrString(text: string): string {
  return token.test(text) ? text : `"${text.replaceAll(/[^\x20-\x7e]/g, '?').replaceAll(/["\\]/g, '\\$&')}"`
}

/** The nearest tier that has this host for the client. */
export function tierOf(placement: PlacementIndex, client: SelectionClient, { host }: Candidate): TierName | undefined {
  return tiersOf(placement, client).find(({ hosts }) => hosts.some((one) => one.host.id === host.id))?.name
}
