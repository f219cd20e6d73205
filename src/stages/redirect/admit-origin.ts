// The budget before bytes leave from here as origin. There is room, or a farther host is proven, or the client waits its turn.
import { type Answer, type Ask, refuse, type StoredBody } from '#http/answer.ts'
import { isStored } from '#http/listener.ts'
import type { Candidate } from '#snapshots/index-placement.ts'
import type { FrontDoor } from './front-door.ts'
import type { Transfer } from './transfer-budget.ts'

export type Admission = {
  /** A blob's bytes, or a redirect to who has them; anything else needs no room. */
  readonly answer: Answer
  readonly prefixKey: number
  /** What a redirect will cost there. */
  readonly redirectedBytes: number
  readonly ask: Pick<Ask, 'gone'>
  readonly findFarther: () => Candidate | undefined
}

export type Admitted = {
  readonly how: 'at once' | 'queued'
  readonly answer: Answer
  /** A host instead of the answer. */
  readonly farther?: Candidate
}

export function admitOrigin(asked: Admission, front: FrontDoor): Admitted | Promise<Admitted> {
  const { answer } = asked
  const bytes = bytesOf(asked)
  if (bytes === undefined) return { how: 'at once', answer }
  const transfer = front.origin.start(bytes, asked.prefixKey)
  return transfer ? { how: 'at once', answer: send(answer, transfer) } : waitForRoom(asked, bytes, front)
}

function bytesOf({ answer: { body, status }, redirectedBytes }: Admission): number | undefined {
  if (body !== undefined && isStored(body)) return body.sizeBytes
  return status === 307 ? redirectedBytes : undefined
}

async function waitForRoom(
  { answer, prefixKey, ask, findFarther }: Admission,
  bytes: number,
  { origin, counters }: FrontDoor,
): Promise<Admitted> {
  const outcome = await origin.wait({ prefixKey, bytes, gone: ask.gone, instead: findFarther })
  if (typeof outcome === 'object' && 'transfer' in outcome) {
    counters.originWaited++
    return { how: 'queued', answer: send(answer, outcome.transfer) }
  }
  if (answer.body !== undefined && isStored(answer.body)) await answer.body[Symbol.asyncDispose]()
  if (typeof outcome === 'object') {
    counters.originFarther++
    return { how: 'queued', answer, farther: outcome.instead }
  }
  if (outcome === 'gone') counters.originLeft++
  else counters.originRefused++
  // Not 429: docker and containerd ask again at once, a few times, and give up within a second.
  const refused = refuse('UNAVAILABLE', 'as much as may leave from here is under way; ask again', {
    headers: { 'retry-after': '10', 'cache-control': 'no-store' },
  })
  return { how: 'queued', answer: refused }
}

function send(answer: Answer, transfer: Transfer): Answer {
  const { body } = answer
  if (body !== undefined && isStored(body)) return { ...answer, body: watched(body, transfer) }
  // Nothing more is heard of a redirect.
  transfer.sent(transfer.bytes)
  transfer.end()
  return answer
}

function watched(body: StoredBody, transfer: Transfer): StoredBody {
  return {
    sizeBytes: body.sizeBytes,
    file: body.file,
    stream: () => body.stream(),
    onSent: (bytes) => transfer.sent(bytes),
    async [Symbol.asyncDispose]() {
      transfer.end()
      await body[Symbol.asyncDispose]()
    },
  }
}
