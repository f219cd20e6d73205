// The wire of stream mode: a whole blob as one answer of ours whose bytes come from hosts. A part cannot be checked without the rest, so
// parts are the origin's.
import type { Answer, Ask } from '#http/answer.ts'
import { chooseRanges } from '#http/range.ts'
import { etagOf, immutable } from './answer-bytes.ts'
import { shapeOf } from './asks.ts'
import type { Asked, OriginReason } from './choose-host.ts'
import type { FrontDoor } from './front-door.ts'

export type Streaming = {
  readonly asked: Asked
  readonly repository: string | undefined
  readonly headers: Readonly<Record<string, string>>
  /** The ordinary decision: over budget. */
  readonly ordinary: () => Answer | Promise<Answer>
  /** A part, or no host brings the blob. */
  readonly fromOrigin: (reason: OriginReason | 'part') => Answer | Promise<Answer>
}

export function answerStream(ask: Ask, streaming: Streaming, front: FrontDoor): Answer | Promise<Answer> {
  const { asked, ordinary, fromOrigin } = streaming
  const { counters, streams } = front
  // Its first bytes are wrong: going on where they end would make them a whole layer.
  const isSpoiled = shapeOf(asked.range) === 'resume' && streams.isSpoiled(asked)
  const status = isSpoiled ? 200 : statusOf(ask, asked)
  if (status === undefined) {
    counters.originByPolicy++
    return fromOrigin('part')
  }
  const hosts = isSpoiled ? [] : front.chooser.listSources(asked)
  if (hosts.length === 0 && !isSpoiled) {
    counters.originNoHost++
    return fromOrigin('no-host')
  }
  const transfer = streams.admit(asked)
  if (!transfer) return isSpoiled ? fromOrigin('not-proven') : ordinary()
  const streamed = isSpoiled
    ? streams.fromOwn(asked, transfer, ask.gone)
    : streams.fromHosts(asked, hosts, transfer, ask.gone)
  return streamed.then((body) => {
    if (!body) {
      counters.originNotProven++
      return fromOrigin('not-proven')
    }
    counters.streams++
    front.statistics.note('streamed', asked.client.country, streaming.repository, asked.blob.sizeBytes)
    return front.tell({ status, headers: headersOf(streaming, status), body }, 'stream')
  })
}

/** Undefined: a part, or a range that cannot be. Several parts at once are answered whole, which clients take as `no`. */
function statusOf(ask: Ask, { blob, range }: Asked): 200 | 206 | undefined {
  if (range === undefined) return 200
  const { digest, sizeBytes } = blob
  const chosen = chooseRanges(sizeBytes, { range, ifRange: ask.header('if-range'), etag: etagOf(digest) })
  if (chosen === 'all') return 200
  if (chosen === 'unsatisfiable') return undefined
  if (chosen.length > 1) return 200
  const [{ first, last } = { first: -1, last: -1 }] = chosen
  return first === 0 && last === sizeBytes - 1 ? 206 : undefined
}

function headersOf({ asked: { blob }, headers }: Streaming, status: 200 | 206): Answer['headers'] {
  const { digest, sizeBytes } = blob
  return {
    ...headers,
    etag: etagOf(digest),
    'accept-ranges': 'bytes',
    'cache-control': immutable,
    ...(status === 206 && { 'content-range': `bytes 0-${sizeBytes - 1}/${sizeBytes}` }),
  }
}
