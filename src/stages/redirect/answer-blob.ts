// A blob: told about, served from here, or sent to a host that is near and proven. README.md draws the order; the numbers are its.
import { type Answer, type Ask, refuse } from '#http/answer.ts'
import { blobPath, type Digest, parseDigest } from '#oci/digest.ts'
import type { View } from '#snapshots/holder.ts'
import type { Candidate } from '#snapshots/index-placement.ts'
import type { PackedBytes } from '#snapshots/packed-table.ts'
import type { PublishedBlob, PublishedRepository } from '#snapshots/publication.ts'
import type { PublicationIndex } from '#snapshots/publication-index.ts'
import { answerBytes, etagOf, immutable, isKnown, PackedContent, StoredContent } from './answer-bytes.ts'
import { askedBytes } from './asked-bytes.ts'
import { shapeOf } from './asks.ts'
import type { Asked, Choice } from './choose-host.ts'
import type { FrontDoor } from './front-door.ts'
import { queryValue } from './query.ts'
import { type Decision, tierOf, withDecision } from './tell-decision.ts'
import { contentHeaders } from './v2-headers.ts'

export type BlobAsk = {
  readonly repository: PublishedRepository
  readonly publication: PublicationIndex
  readonly view: View
  readonly reference: string
  /** What `reference` is in the repository. */
  readonly found: PublishedBlob | undefined
}

const octets = 'application/octet-stream'

export function answerBlob(ask: Ask, about: BlobAsk, front: FrontDoor): Answer | Promise<Answer> {
  const { repository, publication, view, reference, found: blob } = about
  const manifest = blob ? undefined : repository.manifests.get(reference)
  const known = blob ?? manifest
  if (!known) {
    front.statistics.note('refused', front.countryOf(ask), repository.name)
    return front.tell(refuseReference(repository, reference), 'unknown')
  }
  const withdrawn = view.withdrawals.reasons.get(known.digest)
  if (withdrawn !== undefined) {
    front.counters.withdrawn++
    front.statistics.note('refused', front.countryOf(ask), repository.name)
    return front.tell(refuse('DENIED', `${known.digest} was withdrawn: ${withdrawn}`), 'withdrawn')
  }
  if (ask.method === 'HEAD' || isKnown(ask, known.digest)) {
    front.counters.blobHeads++
    front.statistics.note('told', front.countryOf(ask), repository.name)
    const headers = {
      ...contentHeaders(publication, known.digest, octets),
      etag: etagOf(known.digest),
      'cache-control': immutable,
    }
    if (ask.method !== 'HEAD') return front.tell({ status: 304, headers }, 'told')
    const contentLength = known.sizeBytes
    return front.tell({ status: 200, headers: { ...headers, 'accept-ranges': 'bytes' }, contentLength }, 'told')
  }
  const packed = blob ? blob.small : manifest!.bytes
  if (packed)
    return answerPacked(ask, { digest: known.digest, packed, publication, repository: repository.name }, front)
  const large = { blob: blob!, publication, view, repository: repository.name }
  if (ask.query !== '') {
    const miss = queryValue(ask.query, 'miss')
    if (miss !== undefined) return answerMiss(ask, { ...large, miss }, front)
  }
  if (blob!.isConfig) {
    front.counters.largeConfigs++
    return answerFromOrigin(ask, large, { step: 'config' }, front)
  }
  return sendToHost(ask, large, front)
}

function refuseReference(repository: PublishedRepository, reference: string): Answer {
  return parseDigest(reference)
    ? refuse('BLOB_UNKNOWN', `${repository.name} has no blob ${reference}`)
    : refuse('DIGEST_INVALID', 'the digest is not well formed')
}

function answerPacked(
  ask: Ask,
  {
    digest,
    packed,
    publication,
    repository,
  }: {
    readonly digest: Digest
    readonly packed: PackedBytes
    readonly publication: PublicationIndex
    readonly repository: string
  },
  front: FrontDoor,
): Answer | Promise<Answer> {
  front.counters.smallBlobs++
  front.statistics.note('packed', front.countryOf(ask), repository, askedBytes(ask.header('range'), packed.sizeBytes))
  const content = new PackedContent(digest, packed, front.packed)
  const headers = contentHeaders(publication, digest, octets)
  const answer = counted(answerBytes(ask, content, { digest, headers }), front) as Answer | Promise<Answer>
  return answer instanceof Promise ? answer.then((later) => front.tell(later, 'packed')) : front.tell(answer, 'packed')
}

type LargeBlob = {
  readonly blob: PublishedBlob
  readonly publication: PublicationIndex
  readonly view: View
  /** Undefined where it was asked for by digest alone. */
  readonly repository: string | undefined
}

function askedOf(ask: Ask, { blob, view }: LargeBlob, front: FrontDoor): Asked {
  const userAgent = ask.header('user-agent')
  const client = front.clientOf(ask, userAgent)
  return { fleet: view.fleet, client, blob, range: ask.header('range'), userAgent, nowMs: front.parts.now() }
}

function sendToHost(ask: Ask, about: LargeBlob, front: FrontDoor): Answer | Promise<Answer> {
  // An empty blob has no block that could prove it.
  if (about.blob.sizeBytes === 0) return answerFromOrigin(ask, about, { step: 'origin', reason: 'empty' }, front)
  const asked = askedOf(ask, about, front)
  const shape = shapeOf(asked.range)
  // Before it is known who serves it: a redirect and bytes from here are the same pull.
  if (shape !== 'resume') front.pulls.note(asked.client.prefixKey, about.blob.digest, asked.nowMs)
  const before = shape === 'part' && front.options.tellsDecision ? lastOf(asked, front) : undefined
  const choice = front.chooser.choose(asked)
  if (!(choice instanceof Promise)) {
    const isSame = typeof choice === 'object' && choice.host.id === before?.host.id
    return answerChoice(ask, about, { asked, choice, step: isSame ? 'same' : 'host' }, front)
  }
  front.statistics.note('held', asked.client.country, about.repository)
  return choice.then((later) => {
    if (typeof later === 'object') {
      front.counters.heldRedirects++
      front.statistics.noteHeld(later.host.name)
    }
    return answerChoice(ask, about, { asked, choice: later, step: 'held' }, front)
  })
}

function lastOf({ client, blob, nowMs }: Asked, front: FrontDoor): Candidate | undefined {
  return front.asks.peek(client.prefixKey, blob.digest, nowMs)?.last
}

type Chosen = { readonly asked: Asked; readonly choice: Choice; readonly step: 'same' | 'host' | 'held' }

function answerChoice(ask: Ask, about: LargeBlob, chosen: Chosen, front: FrontDoor): Answer | Promise<Answer> {
  const { asked, choice, step } = chosen
  if (typeof choice === 'object') {
    const answer = redirect(choice, asked, about, front)
    front.tallies.steps[step]++
    return front.options.tellsDecision ? withDecision(answer, decisionOf(choice, asked, step, front)) : answer
  }
  const { counters } = front
  if (choice === 'no-host') counters.originNoHost++
  else if (choice === 'not-proven') counters.originNotProven++
  else if (choice === 'too-many-held') counters.heldTooMany++
  else counters.originAfterRound++
  return answerFromOrigin(ask, about, { step: 'origin', reason: choice }, front)
}

function decisionOf(candidate: Candidate, asked: Asked, step: Chosen['step'], front: FrontDoor): Decision {
  return {
    step,
    host: candidate.host.name,
    tier: tierOf(asked.fleet.placement, asked.client, candidate),
    proof: front.chooser.proofOf(candidate, asked),
  }
}

function redirect(candidate: Candidate, asked: Asked, about: LargeBlob, front: FrontDoor): Answer {
  const { blob, publication, repository } = about
  const bytes = askedBytes(asked.range, blob.sizeBytes)
  const { grade } = candidate.host
  front.counters.redirects++
  front.tallies.redirects[grade]++
  front.tallies.redirectedBytes[grade] += bytes
  front.statistics.note('redirected', asked.client.country, repository, bytes)
  front.statistics.noteHost(candidate.host.name, bytes)
  front.headroom.book(candidate.host, bytes)
  return {
    status: 307,
    headers: {
      location: `${candidate.url}/${blobPath(blob.digest)}${front.ticketQuery(candidate, asked)}`,
      'cache-control': 'no-store',
      'docker-content-digest': blob.digest,
      'flotilla-generation': publication.generationText,
    },
  }
}

/** Never redirected to a host: no loop can exist. A good ticket is evidence; a forged one counts for nothing and drains nothing. */
export function answerMiss(
  ask: Ask,
  about: LargeBlob & { readonly miss: string },
  front: FrontDoor,
): Answer | Promise<Answer> {
  const asked = askedOf(ask, about, front)
  const { client, blob, nowMs } = asked
  const { prefixKey } = client
  const memory = front.asks.recall(prefixKey, blob.digest, nowMs)
  const hostId = front.hostOfMiss(about.miss, prefixKey, blob.digest)
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
  return answerFromOrigin(ask, about, decision, front)
}

/** The origin: bytes from here when they are here, else where they are. */
function answerFromOrigin(ask: Ask, about: LargeBlob, decision: Decision, front: FrontDoor): Answer | Promise<Answer> {
  const { blob, publication, repository } = about
  const content = new StoredContent(blob, front.parts.openBlob)
  const headers = contentHeaders(publication, blob.digest, octets)
  const served = counted(answerBytes(ask, content, { digest: blob.digest, headers }), front)
  return Promise.resolve(served).then((here) => {
    const answer = here ?? sendToOrigin(ask, { digest: blob.digest, publication }, front)
    if (answer.status >= 400) front.statistics.note('refused', front.countryOf(ask), repository)
    else
      front.statistics.note('origin', front.countryOf(ask), repository, askedBytes(ask.header('range'), blob.sizeBytes))
    return front.tell(answer, decision)
  })
}

function sendToOrigin(
  ask: Ask,
  { digest, publication }: { readonly digest: Digest; readonly publication: PublicationIndex },
  front: FrontDoor,
): Answer {
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
      location: `${originUrl}/${blobPath(digest)}${front.originQuery(front.clientOf(ask).prefixKey, digest)}`,
      'cache-control': 'no-store',
      'docker-content-digest': digest,
      'flotilla-generation': publication.generationText,
    },
  }
}

function counted(answer: Answer | undefined | Promise<Answer | undefined>, front: FrontDoor) {
  if (answer instanceof Promise) return answer.then((later) => count(later, front))
  return count(answer, front)
}

function count(answer: Answer | undefined, front: FrontDoor): Answer | undefined {
  const body = answer?.body
  if (body instanceof Uint8Array) front.counters.localBytes += body.length
  else if (typeof body === 'object' && 'sizeBytes' in body) front.counters.localBytes += body.sizeBytes
  return answer
}
