// GET, HEAD and DELETE of a blob. A blob is reached only through a repository that holds it.

import { type Answer, refuse } from '#http/answer.ts'
import { chooseRanges, ifNoneMatchHits } from '#http/range.ts'
import { deleteBlob } from './delete-blob.ts'
import { findIntactBlob } from './find-intact-blob.ts'
import type { PushStores, RepositoryAsk } from './push-stores.ts'
import { requireDigest } from './required-digest.ts'

export async function answerBlob(
  { ask, name, caller }: RepositoryAsk,
  last: string,
  stores: PushStores,
): Promise<Answer> {
  const digest = requireDigest(last)
  if (ask.method === 'DELETE') {
    const user = await deleteBlob(name, digest, caller.identity.name, stores)
    if (user) {
      const detail = `manifest ${user} refers to the blob: delete the manifest first`
      return refuse('UNSUPPORTED', detail, { headers: { allow: 'GET, HEAD' } })
    }
    return { status: 202, headers: { 'docker-content-digest': digest } }
  }
  const sizeBytes = await findIntactBlob(name, digest, stores)
  if (sizeBytes === undefined) return refuse('BLOB_UNKNOWN', `${name} holds no blob ${digest}`)
  const headers = {
    'content-type': 'application/octet-stream',
    'docker-content-digest': digest,
    etag: `"${digest}"`,
    'cache-control': 'private, max-age=31536000, immutable',
    'accept-ranges': 'bytes',
  }
  if (ask.method === 'HEAD') return { status: 200, headers, contentLength: sizeBytes }
  if (ifNoneMatchHits(ask.header('if-none-match'), headers.etag)) return { status: 304, headers }
  const ranges = chooseRanges(sizeBytes, {
    range: ask.header('range'),
    ifRange: ask.header('if-range'),
    etag: headers.etag,
  })
  if (ranges === 'unsatisfiable') {
    return refuse('RANGE_INVALID', `the blob has ${sizeBytes} bytes`, {
      headers: { 'content-range': `bytes */${sizeBytes}` },
    })
  }
  // Several parts are answered whole, as RFC 9110 lets a server do: clients of a registry's push side never ask for them.
  const range = ranges !== 'all' && ranges.length === 1 ? ranges[0] : undefined
  const body = await stores.blobs.open(digest, range)
  if (!body) return refuse('BLOB_UNKNOWN', `the bytes of ${digest} are gone; push the blob again`)
  if (!range) return { status: 200, headers, body }
  return {
    status: 206,
    headers: { ...headers, 'content-range': `bytes ${range.first}-${range.last}/${sizeBytes}` },
    body,
  }
}
