// A blob that hosts may have, as it was asked for.
import type { Answer, Ask } from '#http/answer.ts'
import { blobPath } from '#oci/digest.ts'
import type { View } from '#snapshots/holder.ts'
import type { Candidate } from '#snapshots/index-placement.ts'
import type { PublishedBlob } from '#snapshots/publication.ts'
import type { PublicationIndex } from '#snapshots/publication-index.ts'
import { askedBytes } from './asked-bytes.ts'
import type { Asked } from './choose-host.ts'
import type { Step } from './decision.ts'
import type { FrontDoor } from './front-door.ts'
import { type Decision, tierOf } from './tell-decision.ts'

export const octets = 'application/octet-stream'

export type LargeBlob = {
  readonly blob: PublishedBlob
  readonly publication: PublicationIndex
  readonly view: View
  /** Undefined where it was asked for by digest alone. */
  readonly repository: string | undefined
  /** What `blobPath` makes, where it was made before. */
  readonly treePath?: string | undefined
}

export function askedOf(ask: Ask, { blob, view }: LargeBlob, front: FrontDoor): Asked {
  const userAgent = ask.header('user-agent')
  const client = front.clientOf(ask, userAgent)
  return { fleet: view.fleet, client, blob, range: ask.header('range'), userAgent, nowMs: front.parts.now() }
}

/** To a host, with all that is counted of it. */
export function redirect(candidate: Candidate, asked: Asked, about: LargeBlob, front: FrontDoor): Answer {
  const { blob, publication, repository } = about
  const bytes = askedBytes(asked.range, blob.sizeBytes)
  const { grade } = candidate.host
  front.counters.redirects++
  front.tallies.redirects[grade]++
  front.tallies.redirectedBytes[grade] += bytes
  front.statistics.note('redirected', asked.client.country, repository, bytes)
  front.statistics.noteHost(candidate.host.name, bytes)
  front.headroom.book(candidate.host, bytes, asked.nowMs)
  return {
    status: 307,
    headers: {
      location: `${candidate.url}/${about.treePath ?? blobPath(blob.digest)}${front.ticketQuery(candidate, asked)}`,
      'cache-control': 'no-store',
      'docker-content-digest': blob.digest,
      'flotilla-generation': publication.generationText,
    },
  }
}

export function decisionOf(candidate: Candidate, asked: Asked, step: Step, front: FrontDoor): Decision {
  return {
    step,
    host: candidate.host.name,
    tier: tierOf(asked.fleet.placement, asked.client, candidate),
    proof: front.chooser.proofOf(candidate, asked),
  }
}

/** Bytes that leave from here. */
export function count(answer: Answer, front: FrontDoor): Answer {
  const { body } = answer
  if (body instanceof Uint8Array) front.counters.localBytes += body.length
  else if (typeof body === 'object' && 'sizeBytes' in body) front.counters.localBytes += body.sizeBytes
  return answer
}
