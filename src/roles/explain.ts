import { parseDigest } from '#oci/digest.ts'
import { RegistryError } from '#oci/errors.ts'
import { parseImageReference } from '#oci/reference.ts'
import { type ExplainedBlob, explainBlob } from '#stages/redirect/explain-blob.ts'
import type { FrontDoor } from '#stages/redirect/front-door.ts'

export type ExplainRequest = {
  readonly address: string
  readonly digest?: string
  readonly reference?: string
  readonly seed?: number
}

/** For a digest its decision; for an image that of each of its blobs that may travel. */
export function explainAt(
  front: FrontDoor,
  ask: ExplainRequest,
): ExplainedBlob | { readonly reference: string; readonly blobs: readonly ExplainedBlob[] } {
  const digests = ask.digest === undefined ? blobsOf(front, ask.reference!) : [requireDigest(ask.digest)]
  const explained = digests.map((digest) => {
    const one = explainBlob({ ip: ask.address, digest, ...(ask.seed === undefined ? {} : { atMs: ask.seed }) }, front)
    if (!one) throw new RegistryError('REQUEST_INVALID', `${JSON.stringify(ask.address)} is no IP address`)
    return one
  })
  return ask.digest === undefined ? { reference: ask.reference!, blobs: explained } : explained[0]!
}

function requireDigest(text: string) {
  const digest = parseDigest(text)
  if (!digest)
    throw new RegistryError('DIGEST_INVALID', 'a digest is sha256:<64 hex digits> or sha512:<128 hex digits>')
  return digest
}

/** The blobs of the repository that lie in the tree: what the image needs is among them. */
function blobsOf(front: FrontDoor, text: string) {
  const reference = parseImageReference(text)
  const repository = reference && front.parts.holder.current.publication?.publication.repositories.get(reference.name)
  if (!reference || !repository)
    throw new RegistryError('NAME_UNKNOWN', `the front door serves no ${JSON.stringify(text)}`)
  return [...repository.blobs.values()].filter((blob) => blob.small === undefined).map((blob) => blob.digest)
}
