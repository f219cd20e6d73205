// The access log of a front door: after the answer is made, before it is sent.

import type { FormatLine } from '#http/access-log/format-line.ts'
import type { Answer, Ask } from '#http/answer.ts'
import type { Handler } from '#http/listener.ts'
import { lengthOf } from '#http/wire/send-body.ts'
import type { FrontDoor } from '#stages/redirect/front-door.ts'
import { decisionHeader } from '#stages/redirect/tell-decision.ts'

export type AccessLogParts = {
  readonly front: FrontDoor
  readonly format: FormatLine
  readonly write: (line: string) => void
  /** One request of so many is logged, by chance. */
  readonly every: number
  readonly random: () => number
  /** Clients are shown the decision too; else it is only for the log. */
  readonly isDecisionShown: boolean
}

export function withAccessLog(handler: Handler, parts: AccessLogParts): Handler {
  const { every, random } = parts
  const finish = (ask: Ask, answer: Answer, startedMs: number): Answer => {
    if (startedMs > 0) logAnswer(ask, answer, startedMs, parts)
    return parts.isDecisionShown ? answer : withoutDecision(answer)
  }
  return (ask) => {
    const startedMs = every === 1 || random() * every < 1 ? performance.now() : 0
    const answer = handler(ask)
    if (!(answer instanceof Promise)) return finish(ask, answer, startedMs)
    return answer.then((later) => finish(ask, later, startedMs))
  }
}

function logAnswer(ask: Ask, answer: Answer, startedMs: number, { front, format, write }: AccessLogParts): void {
  const userAgent = ask.header('user-agent')
  const { address, country } = front.clientOf(ask, userAgent)
  write(
    format({
      atMs: front.parts.now(),
      address,
      country,
      method: ask.method,
      path: ask.path,
      userAgent,
      status: answer.status,
      bytes: ask.method === 'HEAD' || answer.status === 304 ? 0 : lengthOf(answer),
      durationMs: performance.now() - startedMs,
      decision: answer.headers[decisionHeader] as string | undefined,
    }),
  )
}

function withoutDecision(answer: Answer): Answer {
  if (answer.headers[decisionHeader] === undefined) return answer
  const { [decisionHeader]: _, ...headers } = answer.headers
  return { ...answer, headers }
}
