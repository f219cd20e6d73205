// Manifests: the exact bytes that were pushed, from memory. They never come from a host: a tag is only as good as who resolves it.
import { accepts } from '#http/accept.ts'
import { type Answer, type Ask, refuse } from '#http/answer.ts'
import { parseReference } from '#oci/reference.ts'
import type { View } from '#snapshots/holder.ts'
import type { PublishedManifest, PublishedRepository } from '#snapshots/publication.ts'
import type { PublicationIndex } from '#snapshots/publication-index.ts'
import { etagOf, immutable, isKnown } from './answer-bytes.ts'
import type { FrontDoor } from './front-door.ts'
import { contentHeaders } from './v2-headers.ts'

export function answerManifest(
  ask: Ask,
  about: {
    readonly repository: PublishedRepository
    readonly publication: PublicationIndex
    readonly view: View
    readonly reference: string
  },
  front: FrontDoor,
): Answer | Promise<Answer> {
  const { repository, publication, view, reference } = about
  front.counters.manifests++
  const tagged = repository.tags.get(reference)
  const manifest = repository.manifests.get(tagged ?? reference)
  if (!manifest) return refused(ask, refuseReference(repository, reference), 'unknown', about, front)
  const withdrawn = view.withdrawals.reasons.get(manifest.digest)
  if (withdrawn !== undefined) {
    front.counters.withdrawn++
    const answer = refuse('DENIED', `${manifest.digest} was withdrawn: ${withdrawn}`)
    return refused(ask, answer, 'withdrawn', about, front)
  }
  // By digest the client knows what it asks for; by tag it must not get a type that it cannot read. Nothing is ever converted.
  if (tagged && !accepts(ask.header('accept'), manifest.mediaType)) {
    const detail = `${reference} is of the type ${manifest.mediaType}, which the request does not accept`
    return refused(ask, refuse('MANIFEST_UNKNOWN', detail), 'unknown', about, front)
  }
  const headers = {
    ...contentHeaders(publication, manifest.digest, manifest.mediaType),
    etag: etagOf(manifest.digest),
    'cache-control': tagged ? 'no-cache' : immutable,
    ...(tagged && { vary: 'accept' }),
  }
  const isTold = ask.method === 'HEAD' || isKnown(ask, manifest.digest)
  const way = isTold ? 'told' : 'manifest'
  const bytes = isTold ? 0 : manifest.sizeBytes
  front.statistics.note(way, front.countryOf(ask), repository.name, bytes)
  if (tagged) front.statistics.noteTag(way, repository.name, reference, bytes)
  if (isKnown(ask, manifest.digest)) return front.tell({ status: 304, headers }, 'told')
  if (isTold) return front.tell({ status: 200, headers, contentLength: manifest.sizeBytes }, 'told')
  return answerBody(manifest, headers, front)
}

function refused(
  ask: Ask,
  answer: Answer,
  step: 'unknown' | 'withdrawn',
  { repository }: { readonly repository: PublishedRepository },
  front: FrontDoor,
): Answer {
  front.statistics.note('refused', front.countryOf(ask), repository.name)
  return front.tell(answer, step)
}

function answerBody(
  manifest: PublishedManifest,
  headers: Readonly<Record<string, string>>,
  front: FrontDoor,
): Answer | Promise<Answer> {
  front.counters.localBytes += manifest.sizeBytes
  const body = front.packed.find(manifest.digest)
  if (body) return front.tell({ status: 200, headers, body }, 'packed')
  return front.packed
    .read(manifest.digest, manifest.bytes)
    .then((read) => front.tell({ status: 200, headers, body: read }, 'packed'))
}

function refuseReference(repository: PublishedRepository, text: string): Answer {
  const reference = parseReference(text)
  if (reference) return refuse('MANIFEST_UNKNOWN', `${repository.name} has no manifest ${text}`)
  return text.includes(':')
    ? refuse('DIGEST_INVALID', 'the digest is not well formed', { status: 400 })
    : refuse('TAG_INVALID', 'the tag is not well formed')
}
