// POST of an upload: opens one, takes a whole blob in one request, or mounts what another repository holds.

import { judge } from '#access/authenticate.ts'
import { decide } from '#access/decide.ts'
import { digestOf } from '#blobs/hashing.ts'
import type { Answer } from '#http/answer.ts'
import { algorithmOf, type Digest, type DigestAlgorithm, parseDigestAlgorithm } from '#oci/digest.ts'
import { RegistryError } from '#oci/errors.ts'
import { parseName, type RepositoryName } from '#oci/name.ts'
import { accepted, created } from './answer-upload.ts'
import { challenge, type RegistryNeed } from './challenge.ts'
import { chunkOf } from './chunk.ts'
import { finishUpload } from './finish-upload.ts'
import { mountBlob } from './mount-blob.ts'
import type { RegistryOptions, RepositoryAsk } from './push-stores.ts'
import { requireDigest } from './required-digest.ts'
import { withStoreErrors } from './store-errors.ts'

export async function answerStartUpload(at: RepositoryAsk, options: RegistryOptions): Promise<Answer> {
  const { name, query } = at
  const mount = query.get('mount')
  if (mount !== null) {
    const mounted = await answerMount(at, requireDigest(mount), options)
    if (mounted) return mounted
  }
  const text = query.get('digest')
  const digest = text === null ? undefined : requireDigest(text)
  if (digest && hasWholeBlob(at, digest)) return await takeWhole(at, digest, options)
  const algorithm = askedAlgorithm(query) ?? (digest ? algorithmOf(digest) : 'sha256')
  return accepted(name, await withStoreErrors(options.blobs.startUpload({ repository: name, algorithm })))
}

/** A POST without a body holds one blob only: the empty one. Any other client goes on with PUT. */
function hasWholeBlob({ ask }: RepositoryAsk, digest: Digest): boolean {
  return ask.body !== undefined || digest === digestOf('', algorithmOf(digest))
}

/** The client learns of no upload that it could go on with, so that nothing is left of one that fails. */
async function takeWhole({ ask, name }: RepositoryAsk, digest: Digest, options: RegistryOptions): Promise<Answer> {
  const { bytes } = chunkOf(ask)
  const about = { repository: name, algorithm: algorithmOf(digest) }
  const upload = await withStoreErrors(options.blobs.startUpload(about))
  try {
    if (bytes) await withStoreErrors(upload.append(bytes))
    await withStoreErrors(finishUpload(upload, digest, options))
  } catch (error) {
    await upload.cancel().catch(() => undefined)
    throw error
  }
  return created(name, digest)
}

/** Undefined: not mounted, the client goes on with an upload. */
async function answerMount(
  { name, query, caller }: RepositoryAsk,
  digest: Digest,
  options: RegistryOptions,
): Promise<Answer | undefined> {
  const pull = (from: RepositoryName) => ({ kind: 'repository', name: from, action: 'pull' }) as const
  const from = query.get('from')
  if (!from) {
    // Nobody named a source that a token could have been issued for: what the caller may pull decides.
    const mayPull = (source: RepositoryName) => decide(caller.identity, pull(source))
    return (await mountBlob({ name, digest, mayPull }, options)) ? created(name, digest) : undefined
  }
  const source = parseName(from)
  if (!source) throw new RegistryError('NAME_INVALID', 'from= is no repository name')
  const verdict = judge(caller, pull(source))
  if (verdict === 'scope') {
    const needs: RegistryNeed[] = [{ kind: 'repository', name, action: 'push' }, pull(source)]
    return challenge(options, needs, 'insufficient_scope')
  }
  if (verdict === 'no') return undefined
  return (await mountBlob({ name, digest, source }, options)) ? created(name, digest) : undefined
}

function askedAlgorithm(query: URLSearchParams): DigestAlgorithm | undefined {
  const text = query.get('digest-algorithm')
  if (text === null) return undefined
  const algorithm = parseDigestAlgorithm(text)
  if (!algorithm) throw new RegistryError('DIGEST_INVALID', 'digest-algorithm is sha256 or sha512')
  return algorithm
}
