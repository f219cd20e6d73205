// The origin, within its budget: bytes from here when they are here, else where they are.
import { type Answer, type Ask, refuse } from '#http/answer.ts'
import { blobPath } from '#oci/digest.ts'
import type { Candidate } from '#snapshots/index-placement.ts'
import { type Admitted, admitOrigin } from './admit-origin.ts'
import { answerBytes, StoredContent } from './answer-bytes.ts'
import { askedBytes } from './asked-bytes.ts'
import type { Asked } from './choose-host.ts'
import type { FrontDoor } from './front-door.ts'
import { count, decisionOf, type LargeBlob, octets, redirect } from './large-blob.ts'
import { type Decision, withDecision } from './tell-decision.ts'
import { contentHeaders } from './v2-headers.ts'

export type OriginAsk = {
  readonly asked: Asked
  readonly decision: Decision
  /** No host instead, however full it is here. */
  readonly isHere?: boolean
}

export function answerFromOrigin(
  ask: Ask,
  about: LargeBlob,
  { asked, decision, isHere = false }: OriginAsk,
  front: FrontDoor,
): Promise<Answer> {
  const { blob, publication } = about
  const content = new StoredContent(blob, front.parts.openBlob)
  const headers = contentHeaders(publication, blob.digest, octets)
  const served = answerBytes(ask, content, { digest: blob.digest, headers })
  return Promise.resolve(served)
    .then((here) =>
      admitOrigin(
        {
          answer: here ?? sendToOrigin(asked, about, front),
          prefixKey: asked.client.prefixKey,
          redirectedBytes: askedBytes(asked.range, blob.sizeBytes),
          ask,
          findFarther: () => (isHere ? undefined : findFartherNow(asked, front)),
        },
        front,
      ),
    )
    .then((admitted) => told(admitted, about, { asked, decision }, front))
}

function told(
  { how, answer, farther }: Admitted,
  about: LargeBlob,
  { asked, decision }: OriginAsk,
  front: FrontDoor,
): Answer {
  if (farther) {
    front.tallies.steps.farther++
    const sent = redirect(farther, asked, about, front)
    return front.options.tellsDecision ? withDecision(sent, decisionOf(farther, asked, 'farther', front)) : sent
  }
  const { country } = asked.client
  if (answer.status >= 400) front.statistics.note('refused', country, about.repository)
  else front.statistics.note('origin', country, about.repository, askedBytes(asked.range, about.blob.sizeBytes))
  return front.tell(count(answer, front), how === 'at once' ? decision : 'queued')
}

/** Whoever waits looks again at hosts as they are then. */
function findFartherNow(asked: Asked, { chooser, parts }: FrontDoor): Candidate | undefined {
  return chooser.chooseFarther({ ...asked, fleet: parts.holder.current.fleet, nowMs: parts.now() })
}

function sendToOrigin({ client }: Asked, { blob, publication }: LargeBlob, front: FrontDoor): Answer {
  const { originUrl } = front.options
  if (originUrl === undefined) {
    front.counters.originFailed++
    return refuse('UNAVAILABLE', 'no host can be proven to have this blob, and it is not here', {
      headers: { 'retry-after': '30' },
    })
  }
  return {
    status: 307,
    headers: {
      location: `${originUrl}/${blobPath(blob.digest)}${front.originQuery(client.prefixKey, blob.digest)}`,
      'cache-control': 'no-store',
      'docker-content-digest': blob.digest,
      'flotilla-generation': publication.generationText,
    },
  }
}
