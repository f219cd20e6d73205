// GET, HEAD, PUT and DELETE of a manifest, by tag or by digest. Its bytes are kept and sent exactly as they were pushed.

import type { BlobStore } from '#blobs/blob-store.ts'
import { digestOf } from '#blobs/hashing.ts'
import { findManifest, findTaggedManifest, type ManifestRow } from '#catalogue/manifests.ts'
import { accepts } from '#http/accept.ts'
import { type Answer, refuse } from '#http/answer.ts'
import { ifNoneMatchHits } from '#http/range.ts'
import { algorithmOf } from '#oci/digest.ts'
import { parseTag, type Tag } from '#oci/name.ts'
import { parseReference, type Reference } from '#oci/reference.ts'
import { refuseMethod } from './allowed-methods.ts'
import { deleteManifest } from './delete-manifest.ts'
import type { RegistryOptions, RepositoryAsk } from './push-stores.ts'
import { putManifest } from './put-manifest.ts'
import { readBody } from './read-body.ts'

export async function answerManifest(at: RepositoryAsk, last: string, options: RegistryOptions): Promise<Answer> {
  const { ask, name, caller } = at
  const reference = parseReference(last)
  if (!reference) {
    return last.includes(':')
      ? refuse('DIGEST_INVALID', 'a digest is sha256:<64 hex digits> or sha512:<128 hex digits>')
      : refuse(
          ask.method === 'PUT' ? 'TAG_INVALID' : 'MANIFEST_UNKNOWN',
          'a tag is 1 to 128 of A-Z a-z 0-9 _ . -, and starts with none of the last two',
        )
  }
  switch (ask.method) {
    case 'GET':
    case 'HEAD':
      return await answerRead(at, reference, options)
    case 'PUT':
      return await answerPut(at, reference, options)
    case 'DELETE':
      await deleteManifest(name, reference, caller.identity.name, options)
      return { status: 202, headers: reference.kind === 'digest' ? { 'docker-content-digest': reference.digest } : {} }
    default:
      return refuseMethod('manifest')
  }
}

async function answerRead(
  { ask, name }: RepositoryAsk,
  reference: Reference,
  { catalogue, blobs, channel, manifestBytes }: RegistryOptions,
): Promise<Answer> {
  const row =
    reference.kind === 'tag'
      ? await findTaggedManifest(catalogue, name, channel, reference.tag)
      : await findManifest(catalogue, name, channel, reference.digest)
  if (!row)
    return refuse(
      'MANIFEST_UNKNOWN',
      `${name} has no manifest ${reference.kind === 'tag' ? reference.tag : reference.digest}`,
    )
  // By digest there is nothing to negotiate: the client asked for these very bytes.
  if (reference.kind === 'tag' && !accepts(ask.header('accept'), row.mediaType)) {
    return refuse('MANIFEST_UNKNOWN', `the manifest is a ${row.mediaType}, which the Accept header does not list`)
  }
  const headers = { ...manifestHeaders(row), ...(reference.kind === 'tag' ? { vary: 'accept' } : {}) }
  if (ifNoneMatchHits(ask.header('if-none-match'), headers.etag)) return { status: 304, headers }
  if (ask.method === 'HEAD') return { status: 200, headers, contentLength: row.sizeBytes }
  const body = manifestBytes.find(row.digest) ?? (await manifestBytes.load(row.digest, () => readManifest(row, blobs)))
  return { status: 200, headers, body }
}

async function readManifest({ digest }: ManifestRow, blobs: BlobStore): Promise<Uint8Array> {
  await using body = await blobs.open(digest)
  const bytes = body && (await new Response(body.stream()).bytes())
  if (!bytes || digestOf(bytes, algorithmOf(digest)) !== digest) {
    throw new Error(`the bytes of manifest ${digest} are ${bytes ? 'damaged' : 'missing'} in the blob store`)
  }
  return bytes
}

function manifestHeaders(row: ManifestRow) {
  return { 'content-type': row.mediaType, 'docker-content-digest': row.digest, etag: `"${row.digest}"` }
}

async function answerPut(
  { ask, name, query, caller }: RepositoryAsk,
  reference: Reference,
  options: RegistryOptions,
): Promise<Answer> {
  const texts = query.getAll('tag')
  if (texts.length > options.maxTagsPerPut) {
    return refuse('TAG_INVALID', `${texts.length} tags in one request, at most ${options.maxTagsPerPut} are taken`, {
      status: 414,
    })
  }
  const tags: Tag[] = reference.kind === 'tag' ? [reference.tag] : []
  for (const text of texts) {
    const tag = parseTag(text)
    if (!tag) return refuse('TAG_INVALID', `${JSON.stringify(text.slice(0, 140))} is no tag`)
    if (!tags.includes(tag)) tags.push(tag)
  }
  const bytes = await readBody(ask, options.limits.maxManifestBytes, 'MANIFEST_INVALID')
  const put = await putManifest(
    {
      name,
      bytes,
      contentType: ask.header('content-type'),
      digest: reference.kind === 'digest' ? reference.digest : undefined,
      tags,
      actor: caller.identity.name,
    },
    options,
  )
  return {
    status: 201,
    headers: {
      location: `/v2/${name}/manifests/${put.digest}`,
      'docker-content-digest': put.digest,
      ...(put.subject ? { 'oci-subject': put.subject } : {}),
      ...(texts.length > 0 ? { 'oci-tag': tags } : {}),
    },
  }
}
