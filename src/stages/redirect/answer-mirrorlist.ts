// `/mirrorlist` and `/metalink`: the hosts that suit the asking address, best first, for people and for tools that download by
// themselves. The metalink (RFC 5854) is about one blob and carries its digest, so that whoever uses it need not trust a host.
import { type Answer, type Ask, refuse } from '#http/answer.ts'
import { algorithmOf, blobPath, type Digest, hexOf, parseDigest } from '#oci/digest.ts'
import { rankHosts } from '#selection/rank-hosts.ts'
import type { View } from '#snapshots/holder.ts'
import type { Candidate } from '#snapshots/index-placement.ts'
import type { PublicationIndex } from '#snapshots/publication-index.ts'
import { drawOptions } from './choose-options.ts'
import type { FrontDoor } from './front-door.ts'
import { queryValue } from './query.ts'

const maxHosts = 50
/** What every host that holds anything holds: nothing. */
const nothing = { digest: `sha256:${'0'.repeat(64)}`, generation: 0 }

function rank(
  ask: Ask,
  blob: { digest: string; generation: number },
  view: View,
  front: FrontDoor,
): readonly Candidate[] {
  const draw = drawOptions(front.options.choose, front.parts.now())
  return rankHosts(view.fleet, front.clientOf(ask), blob, { ...draw, limit: maxHosts })
}

const headers = (contentType: string) => ({ 'content-type': contentType, 'cache-control': 'no-store' })

/** Base addresses, one a line. */
export function answerMirrorlist(ask: Ask, view: View, front: FrontDoor): Answer {
  const lines = rank(ask, nothing, view, front).map(({ url }) => `${url}/\n`)
  const about = `# hosts for this address, best first, generation ${view.publication?.generation ?? 0}\n`
  return { status: 200, headers: headers('text/plain; charset=utf-8'), body: about + lines.join('') }
}

/** `?digest=`: the addresses of one blob. */
export function answerMetalink(
  ask: Ask,
  about: { readonly view: View; readonly publication: PublicationIndex },
  front: FrontDoor,
): Answer {
  const digest = parseDigest(queryValue(ask.query, 'digest') ?? '')
  if (!digest) return refuse('DIGEST_INVALID', 'give the digest of a blob as ?digest=')
  const blob = about.publication.findBlob(digest)
  if (!blob || blob.small || about.view.withdrawals.reasons.has(digest)) {
    return refuse('BLOB_UNKNOWN', `no host carries ${digest}`)
  }
  const urls = rank(ask, blob, about.view, front).map(({ host, url }, i) => {
    const location = host.country === undefined ? '' : ` location="${host.country.toLowerCase()}"`
    return `    <url priority="${i + 1}"${location}>${escapeXml(`${url}/${blobPath(digest)}`)}</url>\n`
  })
  const { originUrl } = front.options
  if (originUrl !== undefined)
    urls.push(`    <url priority="${maxHosts + 1}">${escapeXml(`${originUrl}/${blobPath(digest)}`)}</url>\n`)
  const body = metalink(digest, blob.sizeBytes, urls.join(''))
  return { status: 200, headers: headers('application/metalink4+xml'), body }
}

function metalink(digest: Digest, sizeBytes: number, urls: string): string {
  const type = algorithmOf(digest) === 'sha256' ? 'sha-256' : 'sha-512'
  return `<?xml version="1.0" encoding="UTF-8"?>
<metalink xmlns="urn:ietf:params:xml:ns:metalink">
  <file name="${hexOf(digest)}">
    <size>${sizeBytes}</size>
    <hash type="${type}">${hexOf(digest)}</hash>
${urls}  </file>
</metalink>
`
}

function escapeXml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}
