// GET /generations/next?after=<n>: held until there is a generation after n, so that replicas need not poll. A tree on a plain web
// server has no such path; there they poll.

import { type Answer, type Ask, refuse } from '#http/answer.ts'
import { askAgain } from './admit-blob.ts'
import type { Askers } from './asker.ts'
import type { GenerationWaiters } from './generation-waiters.ts'
import type { OriginCounters } from './origin-counters.ts'

export type NextParts = {
  readonly askers: Askers
  /** undefined: there is no such channel. */
  readonly waitersOf: (channel: string | undefined) => GenerationWaiters | undefined
  readonly counters: OriginCounters
  readonly random: () => number
}

const pathPattern = /^(?:\/channels\/([a-z0-9-]{1,32}))?\/generations\/next$/
const afterPattern = /(?:^|&)after=(0|[1-9][0-9]{0,14})(?:&|$)/
/** Of those who find no place to wait: what polling every few minutes is. */
const pollSeconds = 120

/** undefined: another path, or no channel of this origin. */
export function answerNext(ask: Ask, { askers, waitersOf, counters, random }: NextParts) {
  if (!ask.path.endsWith('/generations/next')) return undefined
  const match = pathPattern.exec(ask.path)
  const waiters = match && waitersOf(match[1])
  if (!waiters) return undefined
  if (ask.method !== 'GET') return refuse('UNSUPPORTED', 'it is only asked with GET', { headers: { allow: 'GET' } })
  const after = afterPattern.exec(ask.query)?.[1]
  if (after === undefined)
    return refuse('REQUEST_INVALID', 'say which generation you have: ?after=<number>, 0 for none', {
      headers: { 'cache-control': 'no-store' },
    })
  return waiters.wait(askers.replicaOf(ask), Number(after), ask.gone).then((news): Answer => {
    if (news === 'too-many') {
      return askAgain(Math.ceil(pollSeconds * (0.5 + random())), 'as many replicas wait here as may; poll instead')
    }
    if (news === 'nothing-new') return { status: 204, headers: { 'cache-control': 'no-store' } }
    counters.releases++
    const headers = { 'content-type': 'application/json', 'cache-control': 'no-store' }
    return { status: 200, headers, body: `${JSON.stringify(news)}\n` }
  })
}
