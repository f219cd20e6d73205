// Uploads: POST opens one (or takes a whole blob, or mounts one), PATCH adds, PUT ends it, GET tells where it stands, DELETE drops it.

import { judge } from '#access/authenticate.ts'
import { DigestMismatch, StorageFull, type Upload, UploadBusy } from '#blobs/blob-store.ts'
import { findRepositoryBlob } from '#catalogue/blobs.ts'
import { type Answer, refuse } from '#http/answer.ts'
import { algorithmOf, type Digest, type DigestAlgorithm, parseDigest, parseDigestAlgorithm } from '#oci/digest.ts'
import { RegistryError } from '#oci/errors.ts'
import { parseName, type RepositoryName } from '#oci/name.ts'
import { checkedBody } from './checked-body.ts'
import { finishUpload } from './finish-upload.ts'
import { mountBlob } from './mount-blob.ts'
import type { RegistryOptions, RepositoryAsk } from './push-stores.ts'

export async function answerStartUpload(at: RepositoryAsk, options: RegistryOptions): Promise<Answer> {
  const { ask, name, query } = at
  const mount = query.get('mount')
  if (mount !== null) {
    const mounted = await answerMount(at, mount, options)
    if (mounted) return mounted
  }
  const digestText = query.get('digest')
  const digest = digestText === null ? undefined : requireDigest(digestText)
  const asked = query.get('digest-algorithm')
  const algorithm = asked === null ? (digest ? algorithmOf(digest) : 'sha256') : requireAlgorithm(asked)
  const upload = await translated(() => options.blobs.startUpload({ repository: name, algorithm }))
  if (!digest || !ask.body) return accepted(name, upload)
  return await end(at, upload, digest, options)
}

export async function answerUpload(at: RepositoryAsk, id: string, options: RegistryOptions): Promise<Answer> {
  const { ask, name, query } = at
  const upload = await options.blobs.findUpload(id)
  // Another repository's upload is as unknown as none: ids are no way around permissions.
  if (!upload || upload.repository !== name) {
    const finished = ask.method === 'PUT' ? parseDigest(query.get('digest') ?? '') : undefined
    // The client may not have seen our first answer: ending an upload twice is safe.
    if (finished && (await findRepositoryBlob(options.catalogue, name, finished)) && !ask.body)
      return created(name, finished)
    return refuse('BLOB_UPLOAD_UNKNOWN', `${name} has no upload of that id; it may have ended or been dropped`)
  }
  switch (ask.method) {
    case 'GET':
    case 'HEAD':
      return { status: 204, headers: uploadHeaders(name, upload) }
    case 'DELETE':
      await translated(() => upload.cancel())
      return { status: 204, headers: { 'docker-upload-uuid': upload.id } }
    case 'PATCH': {
      const outOfOrder = checkOrder(at, upload)
      if (outOfOrder) return outOfOrder
      if (ask.body) await append(at, upload)
      return accepted(name, upload)
    }
    case 'PUT': {
      const text = query.get('digest')
      if (text === null) return refuse('DIGEST_INVALID', 'PUT ends an upload and needs ?digest=')
      const digest = requireDigest(text)
      return checkOrder(at, upload) ?? (await end(at, upload, digest, options))
    }
    default:
      return refuse('UNSUPPORTED', 'an upload knows GET, PATCH, PUT and DELETE')
  }
}

async function answerMount(at: RepositoryAsk, mount: string, options: RegistryOptions): Promise<Answer | undefined> {
  const digest = requireDigest(mount)
  const from = at.query.get('from')
  const source = from === null || from === '' ? undefined : parseName(from)
  if (from && !source) throw new RegistryError('NAME_INVALID', 'from= is no repository name')
  const mayRead = (name: RepositoryName) => judge(at.caller, { kind: 'repository', name, action: 'pull' }) === 'yes'
  return (await mountBlob({ name: at.name, digest, source, mayRead }, options)) ? created(at.name, digest) : undefined
}

async function end(at: RepositoryAsk, upload: Upload, digest: Digest, options: RegistryOptions): Promise<Answer> {
  if (at.ask.body) await append(at, upload)
  await translated(() => finishUpload(upload, digest, options))
  return created(at.name, digest)
}

async function append({ ask }: RepositoryAsk, upload: Upload): Promise<void> {
  await translated(() => upload.append(checkedBody(ask)))
}

/** A Content-Range that does not start where the upload stands is 416, with word of where that is. */
function checkOrder({ ask, name }: RepositoryAsk, upload: Upload): Answer | undefined {
  const header = ask.header('content-range')
  if (header === undefined) return undefined
  const match = /^(?:bytes[ =])?(\d{1,15})-(\d{1,15})(?:\/(?:\d{1,15}|\*))?$/.exec(header)
  const [first, last] = match ? [Number(match[1]), Number(match[2])] : [-1, -1]
  if (first < 0 || last < first) {
    return refuse('RANGE_INVALID', 'Content-Range must read <first>-<last>', { headers: uploadHeaders(name, upload) })
  }
  const length = ask.header('content-length')
  if (length !== undefined && Number(length) !== last - first + 1) {
    return refuse('SIZE_INVALID', `Content-Range tells ${last - first + 1} bytes, Content-Length ${length}`)
  }
  if (first === upload.offset) return undefined
  return refuse('RANGE_INVALID', `the upload stands at ${upload.offset}, the chunk starts at ${first}`, {
    headers: uploadHeaders(name, upload),
  })
}

function uploadHeaders(name: RepositoryName, upload: Upload): Record<string, string> {
  return {
    location: `/v2/${name}/blobs/uploads/${upload.id}`,
    // An empty upload has no last byte; clients know it by 0-0.
    range: `0-${Math.max(0, upload.offset - 1)}`,
    'docker-upload-uuid': upload.id,
  }
}

function accepted(name: RepositoryName, upload: Upload): Answer {
  return { status: 202, headers: uploadHeaders(name, upload) }
}

function created(name: RepositoryName, digest: Digest): Answer {
  return { status: 201, headers: { location: `/v2/${name}/blobs/${digest}`, 'docker-content-digest': digest } }
}

function requireDigest(text: string): Digest {
  const digest = parseDigest(text)
  if (!digest)
    throw new RegistryError('DIGEST_INVALID', 'a digest is sha256:<64 hex digits> or sha512:<128 hex digits>')
  return digest
}

function requireAlgorithm(text: string): DigestAlgorithm {
  const algorithm = parseDigestAlgorithm(text)
  if (!algorithm) throw new RegistryError('DIGEST_INVALID', 'digest-algorithm is sha256 or sha512')
  return algorithm
}

async function translated<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (error instanceof DigestMismatch) throw new RegistryError('DIGEST_INVALID', error.message, { cause: error })
    if (error instanceof UploadBusy)
      throw new RegistryError('BLOB_UPLOAD_INVALID', error.message, { cause: error, status: 409 })
    if (error instanceof StorageFull) throw new RegistryError('STORAGE_FULL', error.message, { cause: error })
    throw error
  }
}
