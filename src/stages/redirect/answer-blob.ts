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
    if (!parseDigest(reference)) return refuse('DIGEST_INVALID', 'the digest is not well formed')
    return refuse('BLOB_UNKNOWN', `${repository.name} has no blob ${reference}`)
  }
  const withdrawn = view.withdrawals.reasons.get(known.digest)
  if (withdrawn !== undefined) {
    front.counters.withdrawn++
    return refuse('DENIED', `${known.digest} was withdrawn: ${withdrawn}`)
  }
  if (ask.method === 'HEAD' || isKnown(ask, known.digest)) {
    front.counters.blobHeads++
    const headers = {
      ...contentHeaders(publication, known.digest, octets),
      etag: etagOf(known.digest),
      'cache-control': immutable,
    }
    if (ask.method !== 'HEAD') return { status: 304, headers }
    return { status: 200, headers: { ...headers, 'accept-ranges': 'bytes' }, contentLength: known.sizeBytes }
  }
  const packed = blob ? blob.small : manifest!.bytes
  if (packed) return answerPacked(ask, { digest: known.digest, packed, publication }, front)
  if (ask.query !== '') {
    const miss = queryValue(ask.query, 'miss')
    if (miss !== undefined) return answerMiss(ask, { blob: blob!, publication, view, miss }, front)
  }
  if (blob!.isConfig) {
    front.counters.largeConfigs++
    return answerFromOrigin(ask, { blob: blob!, publication, view }, front)
  }
  return sendToHost(ask, { blob: blob!, publication, view }, front)
}

function answerPacked(
  ask: Ask,
  {
    digest,
    packed,
    publication,
  }: { readonly digest: Digest; readonly packed: PackedBytes; readonly publication: PublicationIndex },
  front: FrontDoor,
): Answer | Promise<Answer> {
  front.counters.smallBlobs++
  const content = new PackedContent(digest, packed, front.packed)
  const headers = contentHeaders(publication, digest, octets)
  return counted(answerBytes(ask, content, { digest, headers }), front) as Answer
}

type LargeBlob = { readonly blob: PublishedBlob; readonly publication: PublicationIndex; readonly view: View }

function askedOf(ask: Ask, { blob, view }: LargeBlob, front: FrontDoor): Asked {
  const userAgent = ask.header('user-agent')
  const client = front.clientOf(ask, userAgent)
  return { fleet: view.fleet, client, blob, range: ask.header('range'), userAgent, nowMs: front.parts.now() }
}

function sendToHost(ask: Ask, about: LargeBlob, front: FrontDoor): Answer | Promise<Answer> {
  // An empty blob has no block that could prove it.
  if (about.blob.sizeBytes === 0) return answerFromOrigin(ask, about, front)
  const asked = askedOf(ask, about, front)
  // Before it is known who serves it: a redirect and bytes from here are the same pull.
  if (shapeOf(asked.range) !== 'resume') front.pulls.note(asked.client.prefixKey, about.blob.digest, asked.nowMs)
  const choice = front.chooser.choose(asked)
  if (!(choice instanceof Promise)) return answerChoice(ask, about, { asked, choice }, front)
  return choice.then((later) => {
    if (typeof later === 'object') front.counters.heldRedirects++
    return answerChoice(ask, about, { asked, choice: later }, front)
  })
}

function answerChoice(
  ask: Ask,
  about: LargeBlob,
  { asked, choice }: { readonly asked: Asked; readonly choice: Choice },
  front: FrontDoor,
): Answer | Promise<Answer> {
  if (typeof choice === 'object') return redirect(choice, asked, about, front)
  const { counters } = front
  if (choice === 'no-host') counters.originNoHost++
  else if (choice === 'not-proven') counters.originNotProven++
  else if (choice === 'too-many-held') counters.heldTooMany++
  else counters.originAfterRound++
  return answerFromOrigin(ask, about, front)
}

function redirect(candidate: Candidate, asked: Asked, { blob, publication }: LargeBlob, front: FrontDoor): Answer {
  front.counters.redirects++
  front.headroom.book(candidate.host, askedBytes(asked.range, blob.sizeBytes))
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
  const allowed = hostId === undefined ? 1 : front.options.maxMisses
  if (hostId === undefined) front.counters.forgedMisses++
  if (memory.originAnswers >= allowed) {
    return refuse('TOOMANYREQUESTS', 'this blob was sent from here too often', { headers: { 'retry-after': '60' } })
  }
  memory.originAnswers++
  front.counters.originMiss++
  if (hostId !== undefined) {
    front.parts.report({ kind: 'miss', hostId, digest: blob.digest, prefixKey, atMs: nowMs })
    const { last } = memory
    if (last?.host.id === hostId) front.chooser.doubt(last, asked)
  }
  return answerFromOrigin(ask, about, front)
}

/** The origin: bytes from here when they are here, else where they are. */
function answerFromOrigin(ask: Ask, { blob, publication }: LargeBlob, front: FrontDoor): Answer | Promise<Answer> {
  const content = new StoredContent(blob, front.parts.openBlob)
  const headers = contentHeaders(publication, blob.digest, octets)
  const served = counted(answerBytes(ask, content, { digest: blob.digest, headers }), front)
  return Promise.resolve(served).then(
    (answer) => answer ?? sendToOrigin(ask, { digest: blob.digest, publication }, front),
  )
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
