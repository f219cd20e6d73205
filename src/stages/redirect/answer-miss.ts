// A client that a host sent back here.
import { type Answer, type Ask, refuse } from '#http/answer.ts'
import { answerFromOrigin } from './answer-origin.ts'
import type { FrontDoor } from './front-door.ts'
import { askedOf, type LargeBlob } from './large-blob.ts'

/** Never redirected to a host: no loop can exist. A good ticket is evidence; a forged one counts for nothing and drains nothing. */
export function answerMiss(ask: Ask, about: LargeBlob, miss: string, front: FrontDoor): Answer | Promise<Answer> {
  const asked = askedOf(ask, about, front)
  const { client, blob, nowMs } = asked
  const { prefixKey } = client
  const memory = front.asks.recall(prefixKey, blob.digest, nowMs)
  const hostId = front.hostOfMiss(miss, prefixKey, blob.digest)
  const decision = { step: 'miss', ticket: hostId !== undefined } as const
  const allowed = hostId === undefined ? 1 : front.options.maxMisses
  if (hostId === undefined) front.counters.forgedMisses++
  if (memory.originAnswers >= allowed) {
    front.statistics.note('refused', client.country, about.repository)
    const detail = 'this blob was sent from here too often'
    return front.tell(refuse('TOOMANYREQUESTS', detail, { headers: { 'retry-after': '60' } }), decision)
  }
  memory.originAnswers++
  front.counters.originMiss++
  if (hostId !== undefined) {
    front.report({ kind: 'miss', hostId, digest: blob.digest, prefixKey, atMs: nowMs })
    const { last } = memory
    if (last?.host.id === hostId) front.chooser.doubt(last, asked)
  }
  return answerFromOrigin(ask, about, { asked, decision, isHere: true }, front)
}
