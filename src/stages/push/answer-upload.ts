// An upload that was opened: PATCH adds, PUT ends it, GET tells where it stands, DELETE drops it.

import type { Upload } from '#blobs/blob-store.ts'
import { type Answer, type Ask, refuse } from '#http/answer.ts'
import { type Digest, parseDigest } from '#oci/digest.ts'
import type { RepositoryName } from '#oci/name.ts'
import { refuseMethod } from './allowed-methods.ts'
import { chunkOf } from './chunk.ts'
import { findIntactBlob } from './find-intact-blob.ts'
import { finishUpload } from './finish-upload.ts'
import type { PushStores, RegistryOptions, RepositoryAsk } from './push-stores.ts'
import { requireDigest } from './required-digest.ts'
import { withStoreErrors } from './store-errors.ts'

export async function answerUpload(at: RepositoryAsk, id: string, options: RegistryOptions): Promise<Answer> {
  const { ask, name, query } = at
  const upload = await options.blobs.findUpload(id)
  // Another repository's upload is as unknown as none: ids are no way around permissions.
  if (!upload || upload.repository !== name) return await answerEnded(at, options)
  switch (ask.method) {
    case 'GET':
    case 'HEAD':
      return { status: 204, headers: uploadHeaders(name, upload) }
    case 'DELETE':
      await withStoreErrors(upload.cancel())
      return { status: 204, headers: { 'docker-upload-uuid': upload.id } }
    case 'PATCH':
      return (await append(ask, name, upload)) ?? accepted(name, upload)
    case 'PUT': {
      const digest = requireDigest(query.get('digest') ?? '')
      return (await append(ask, name, upload)) ?? (await end(name, upload, digest, options))
    }
    default:
      return refuseMethod('upload')
  }
}

/** Ending an upload twice is safe: the client may not have seen our first answer. */
async function answerEnded({ ask, name, query }: RepositoryAsk, options: RegistryOptions): Promise<Answer> {
  const digest = ask.method === 'PUT' && !ask.body ? parseDigest(query.get('digest') ?? '') : undefined
  if (digest && (await findIntactBlob(name, digest, options)) !== undefined) return created(name, digest)
  return refuse('BLOB_UPLOAD_UNKNOWN', `${name} has no upload of that id; it may have ended or been dropped`)
}

/** Undefined: the chunk was added. A chunk that does not start where the upload stands is 416, with word of where that is. */
async function append(ask: Ask, name: RepositoryName, upload: Upload): Promise<Answer | undefined> {
  const chunk = chunkOf(ask)
  if (chunk.first !== undefined && chunk.first !== upload.offset) {
    return refuse('RANGE_INVALID', `the upload stands at ${upload.offset}, the chunk starts at ${chunk.first}`, {
      headers: uploadHeaders(name, upload),
    })
  }
  if (chunk.bytes) await withStoreErrors(upload.append(chunk.bytes))
  return undefined
}

async function end(name: RepositoryName, upload: Upload, digest: Digest, stores: PushStores): Promise<Answer> {
  await withStoreErrors(finishUpload(upload, digest, stores))
  return created(name, digest)
}

function uploadHeaders(name: RepositoryName, upload: Upload): Record<string, string> {
  return {
    location: `/v2/${name}/blobs/uploads/${upload.id}`,
    // An empty upload has no last byte; clients know it by 0-0.
    range: `0-${Math.max(0, upload.offset - 1)}`,
    'docker-upload-uuid': upload.id,
  }
}

export function accepted(name: RepositoryName, upload: Upload): Answer {
  return { status: 202, headers: uploadHeaders(name, upload) }
}

export function created(name: RepositoryName, digest: Digest): Answer {
  return { status: 201, headers: { location: `/v2/${name}/blobs/${digest}`, 'docker-content-digest': digest } }
}
