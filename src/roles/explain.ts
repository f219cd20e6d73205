import { parseDigest } from '#oci/digest.ts'
import { RegistryError } from '#oci/errors.ts'
import { parseImageReference } from '#oci/reference.ts'
import { type ExplainedBlob, explainBlob } from '#stages/redirect/explain-blob.ts'
import type { FrontDoor } from '#stages/redirect/front-door.ts'
import { listImageBlobs } from '#stages/redirect/image-blobs.ts'

export type ExplainRequest = {
  readonly address: string
  readonly digest?: string
  readonly reference?: string
  readonly seed?: number
}

/** For a digest its decision; for an image that of each of its blobs that may travel. */
export async function explainAt(
  front: FrontDoor,
  ask: ExplainRequest,
): Promise<ExplainedBlob | { readonly reference: string; readonly blobs: readonly ExplainedBlob[] }> {
  const digests = ask.digest === undefined ? await blobsOf(front, ask.reference!) : [requireDigest(ask.digest)]
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

async function blobsOf(front: FrontDoor, text: string) {
  const reference = parseImageReference(text)
  const digests = reference && (await listImageBlobs(reference, front))
  if (!digests) throw new RegistryError('NAME_UNKNOWN', `the front door serves no ${JSON.stringify(text)}`)
  return digests
}
