// What `HostChooser.choose` would answer now, changing nothing and asking nobody. explain-agrees.test.ts holds the two together.

import type { Candidate } from '#snapshots/index-placement.ts'
import { type Asks, hasTried, isTried, type Memory, shapeOf } from './asks.ts'
import type { Asked, HostChooser, OriginReason } from './choose-host.ts'
import type { ProofState } from './proofs.ts'

export type PreviewedCandidate = {
  readonly candidate: Candidate
  readonly state: ProofState
  readonly isTried: boolean
}

export type Outcome =
  | { readonly step: 'same' | 'host'; readonly candidate: Candidate }
  /** The first of these that a probe passes at; the origin when none does. */
  | { readonly step: 'held'; readonly candidates: readonly Candidate[] }
  | { readonly step: 'origin'; readonly reason: OriginReason }

export type Preview = { readonly candidates: readonly PreviewedCandidate[]; readonly outcome: Outcome }

export function previewChoice(
  asked: Asked,
  { chooser, asks }: { readonly chooser: HostChooser; readonly asks: Asks },
): Preview {
  const { client, blob, nowMs } = asked
  const memory = asks.peek(client.prefixKey, blob.digest, nowMs)
  const ranked = chooser.rank(asked)
  const doubted = memory && doubtedBy(memory, asked, chooser)
  const stateOf = (candidate: Candidate, sinceMs: number): ProofState => {
    const state = chooser.stateOf(candidate, asked, sinceMs)
    return state === 'proven' && candidate.url === doubted?.url ? 'unproven' : state
  }
  const triedNow = (candidate: Candidate) => memory !== undefined && isTried(memory, candidate.host.id)
  const sinceMs = memory?.roundMs ?? 0
  const candidates = ranked.map((candidate) => ({
    candidate,
    state: stateOf(candidate, sinceMs),
    isTried: triedNow(candidate),
  }))
  const walk = (isLeftOut: (candidate: Candidate) => boolean, since: number): Outcome | undefined => {
    const left = ranked.filter((candidate) => !isLeftOut(candidate) && stateOf(candidate, since) !== 'bad')
    const proven = left.find((candidate) => stateOf(candidate, since) === 'proven')
    if (proven) return { step: 'host', candidate: proven }
    return left.length > 0 ? { step: 'held', candidates: left } : undefined
  }
  const decide = (): Outcome => {
    if (ranked.length === 0) return { step: 'origin', reason: 'no-host' }
    const last = shapeOf(asked.range) === 'part' ? memory?.last : undefined
    const same = last && chooser.sameHost(last, ranked, asked)
    if (same && stateOf(same, 0) !== 'bad') return { step: 'same', candidate: same }
    const found = walk(triedNow, sinceMs)
    if (found) return found
    if (!memory || !hasTried(memory)) return { step: 'origin', reason: 'not-proven' }
    if (memory.originAnswers === 0) return { step: 'origin', reason: 'after-round' }
    const again = walk(() => false, nowMs - chooser.options.echoMs)
    return again ?? { step: 'origin', reason: 'not-proven' }
  }
  return { candidates, outcome: decide() }
}

/** The host of the last time, if the client's coming back puts it in doubt. */
function doubtedBy(memory: Memory, asked: Asked, chooser: HostChooser): Candidate | undefined {
  const { last } = memory
  const shape = shapeOf(asked.range)
  if (!last || shape === 'part') return undefined
  const before = shape === 'resume' ? memory.strikeMs : memory.askedMs
  if (asked.nowMs - before < chooser.options.echoMs) return undefined
  return chooser.hasJustPassed(last, asked) ? undefined : last
}
