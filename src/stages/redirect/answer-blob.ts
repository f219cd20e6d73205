// A blob: told about, served from here, or sent to a host that is near and proven. README.md draws the order.
import { type Answer, type Ask, refuse } from '#http/answer.ts'
import { type Digest, parseDigest } from '#oci/digest.ts'
import type { View } from '#snapshots/holder.ts'
import type { Candidate } from '#snapshots/index-placement.ts'
import type { PackedBytes } from '#snapshots/packed-table.ts'
import type { PublishedBlob, PublishedRepository } from '#snapshots/publication.ts'
import type { PublicationIndex } from '#snapshots/publication-index.ts'
import { answerBytes, etagOf, immutable, isKnown, PackedContent } from './answer-bytes.ts'
import { answerMiss } from './answer-miss.ts'
import { answerFromOrigin } from './answer-origin.ts'
import { answerStream } from './answer-stream.ts'
import { askedBytes } from './asked-bytes.ts'
import { shapeOf } from './asks.ts'
import type { Asked, Choice, OriginReason } from './choose-host.ts'
import type { FrontDoor } from './front-door.ts'
import { askedOf, count, decisionOf, type LargeBlob, octets, redirect } from './large-blob.ts'
import { queryValue } from './query.ts'
import { withDecision } from './tell-decision.ts'
import { contentHeaders } from './v2-headers.ts'

export type BlobAsk = {
  readonly repository: PublishedRepository
  readonly publication: PublicationIndex
  readonly view: View
  readonly reference: string
  /** What `reference` is in the repository. */
  readonly found: PublishedBlob | undefined
  readonly treePath?: string | undefined
}

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
  const large = { blob: blob!, publication, view, repository: repository.name, treePath: about.treePath }
  if (ask.query !== '') {
    const miss = queryValue(ask.query, 'miss')
    if (miss !== undefined) return answerMiss(ask, large, miss, front)
  }
  if (blob!.isConfig) {
    front.counters.largeConfigs++
    const asked = askedOf(ask, large, front)
    return answerFromOrigin(ask, large, { asked, decision: { step: 'config' }, isHere: true }, front)
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
  // Its bytes are in the pack, so there is an answer.
  const answer = answerBytes(ask, content, { digest, headers }) as Answer | Promise<Answer>
  const tell = (now: Answer) => front.tell(count(now, front), 'packed')
  return answer instanceof Promise ? answer.then(tell) : tell(answer)
}

function sendToHost(ask: Ask, about: LargeBlob, front: FrontDoor): Answer | Promise<Answer> {
  const asked = askedOf(ask, about, front)
  // An empty blob has no block that could prove it.
  if (about.blob.sizeBytes === 0) {
    return answerFromOrigin(ask, about, { asked, decision: { step: 'origin', reason: 'empty' }, isHere: true }, front)
  }
  // Before it is known who serves it: a redirect and bytes from here are the same pull.
  if (shapeOf(asked.range) !== 'resume') front.pulls.note(asked.client.prefixKey, about.blob.digest, asked.nowMs)
  const { mode } = front.classOf(asked.userAgent)
  if (mode === 'redirect') return chooseHost(ask, about, asked, front)
  if (mode === 'stream') return stream(ask, about, asked, () => chooseHost(ask, about, asked, front), front)
  front.counters.originByPolicy++
  return answerFromOrigin(ask, about, { asked, decision: { step: 'origin', reason: 'policy' }, isHere: true }, front)
}

/** `ordinary`: what is answered when the budget of streams has no room. */
function stream(
  ask: Ask,
  about: LargeBlob,
  asked: Asked,
  ordinary: () => Answer | Promise<Answer>,
  front: FrontDoor,
): Answer | Promise<Answer> {
  const { publication, blob, repository } = about
  const headers = contentHeaders(publication, blob.digest, octets)
  const fromOrigin = (reason: OriginReason | 'part') =>
    answerFromOrigin(ask, about, { asked, decision: { step: 'origin', reason } }, front)
  return answerStream(ask, { asked, repository, headers, ordinary, fromOrigin }, front)
}

function chooseHost(ask: Ask, about: LargeBlob, asked: Asked, front: FrontDoor): Answer | Promise<Answer> {
  const isPart = shapeOf(asked.range) === 'part'
  const before = isPart && front.options.tellsDecision ? lastOf(asked, front) : undefined
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
  const fromOrigin = () => {
    countReason(choice, front)
    return answerFromOrigin(ask, about, { asked, decision: { step: 'origin', reason: choice } }, front)
  }
  const isStreamed = choice !== 'after-round' && asked.client.kind === 'fragile' && front.options.streams.isForFragile
  return isStreamed ? stream(ask, about, asked, fromOrigin, front) : fromOrigin()
}

function countReason(reason: OriginReason, { counters }: FrontDoor): void {
  if (reason === 'no-host') counters.originNoHost++
  else if (reason === 'not-proven') counters.originNotProven++
  else if (reason === 'too-many-held') counters.heldTooMany++
  else counters.originAfterRound++
}
