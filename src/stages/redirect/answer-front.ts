// The front door: one request in, one answer out, from one view of the snapshots. README.md draws the order of its decisions.
import { type Answer, type Ask, refuse } from '#http/answer.ts'
import { blobPath } from '#oci/digest.ts'
import { parseName } from '#oci/name.ts'
import type { View } from '#snapshots/holder.ts'
import type { PublicationIndex } from '#snapshots/publication-index.ts'
import { parseTreePath } from '#snapshots/tree-path.ts'
import { answerBlob } from './answer-blob.ts'
import { answerManifest } from './answer-manifest.ts'
import { answerMetalink, answerMirrorlist } from './answer-mirrorlist.ts'
import { answerMiss } from './answer-miss.ts'
import { answerReferrers } from './answer-referrers.ts'
import type { FrontDoor } from './front-door.ts'
import { answerPage, pageOf } from './page.ts'
import { queryValue } from './query.ts'
import { type Route, routeOf } from './route.ts'
import { apiVersion, listHeaders } from './v2-headers.ts'

const root: Answer = { status: 200, headers: { ...apiVersion, 'content-type': 'application/json' }, body: '{}' }

export function answerFront(ask: Ask, front: FrontDoor): Answer | Promise<Answer> {
  if (ask.method !== 'GET' && ask.method !== 'HEAD') {
    return refuse('UNSUPPORTED', 'only GET and HEAD are served here', { headers: { allow: 'GET, HEAD' } })
  }
  // Taken once: no request sees two states.
  const view = front.parts.holder.current
  const { publication } = view
  const known = publication && front.paths.find(ask.path, publication)
  if (known) return answerBlob(ask, { ...known, publication, view, reference: known.found.digest }, front)
  const route = routeOf(ask.path)
  // 200 and anonymous, whatever else: clients read from this one answer whether to log in.
  if (route.kind === 'root') return root
  if (route.kind === 'other') return answerOther(ask, view, front)
  if (!publication) return unpublished()
  return answerRoute(ask, { route, view, publication }, front)
}

function answerRoute(
  ask: Ask,
  { route, view, publication }: { readonly route: Route; readonly view: View; readonly publication: PublicationIndex },
  front: FrontDoor,
): Answer | Promise<Answer> {
  if (route.kind === 'catalog') {
    front.counters.lists++
    const page = pageOf(publication.names, ask.query, '/v2/_catalog')
    return answerPage(page, listHeaders(publication), (repositories) => ({ repositories }))
  }
  if (route.kind === 'tree') return answerTree(ask, { path: route.path, view, publication }, front)
  if (route.kind === 'root' || route.kind === 'other') return root
  const repository = publication.publication.repositories.get(route.name)
  if (!repository) {
    front.statistics.note('refused', front.countryOf(ask), undefined)
    return refuseName(route.name)
  }
  if (route.kind === 'tags') {
    front.counters.lists++
    const page = pageOf(publication.tagsOf(repository), ask.query, `/v2/${repository.name}/tags/list`)
    return answerPage(page, listHeaders(publication), (tags) => ({ name: repository.name, tags }))
  }
  const about = { repository, publication, view, reference: route.reference }
  if (route.kind === 'blob') {
    const blob = repository.blobs.get(route.reference)
    if (blob) front.paths.keep(ask.path, publication, { repository, found: blob, treePath: blobPath(blob.digest) })
    return answerBlob(ask, { ...about, found: blob }, front)
  }
  if (route.kind === 'manifest') return answerManifest(ask, about, front)
  front.counters.lists++
  return answerReferrers(about, ask.query)
}

/** A host that lacks a blob sends the client back to the same path here, with the ticket: it knows no repository. */
function answerTree(
  ask: Ask,
  { path, view, publication }: { readonly path: string; readonly view: View; readonly publication: PublicationIndex },
  front: FrontDoor,
): Answer | Promise<Answer> {
  const tree = parseTreePath(path)
  const miss = queryValue(ask.query, 'miss')
  if (tree?.kind !== 'blob' || miss === undefined) return answerOther(ask, view, front)
  const { prefixKey, country } = front.clientOf(ask)
  if (front.hostOfMiss(miss, prefixKey, tree.digest) === undefined) {
    front.counters.forgedMisses++
    front.statistics.note('refused', country, undefined)
    return refuse('DENIED', 'the ticket is not valid here; ask the registry again')
  }
  const blob = publication.findBlob(tree.digest)
  if (!blob) return refuse('BLOB_UNKNOWN', `there is no blob ${tree.digest}`)
  const withdrawn = view.withdrawals.reasons.get(tree.digest)
  if (withdrawn !== undefined) return refuse('DENIED', `${tree.digest} was withdrawn: ${withdrawn}`)
  return answerMiss(ask, { blob, publication, view, repository: undefined }, miss, front)
}

function refuseName(name: string): Answer {
  return parseName(name)
    ? refuse('NAME_UNKNOWN', `there is no repository ${name}`)
    : refuse('NAME_INVALID', 'the repository name is not well formed')
}

function answerOther(ask: Ask, view: View, front: FrontDoor): Answer {
  const { publication } = view
  switch (ask.path) {
    case '/mirrorlist':
      return answerMirrorlist(ask, view, front)
    case '/metalink':
      return publication ? answerMetalink(ask, { view, publication }, front) : unpublished()
    default:
      return refuse('NOT_FOUND', 'the front door serves /v2/, /mirrorlist and /metalink')
  }
}

function unpublished(): Answer {
  return refuse('UNAVAILABLE', 'nothing has been published yet', { headers: { 'retry-after': '5' } })
}
