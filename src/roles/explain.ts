import { parseDigest } from '#oci/digest.ts'
import { RegistryError } from '#oci/errors.ts'
import { parseImageReference } from '#oci/reference.ts'
import { type ExplainAsk, type ExplainedBlob, explainBlob } from '#stages/redirect/explain-blob.ts'
import type { FrontDoor } from '#stages/redirect/front-door.ts'
import { findImage, listImageBlobs } from '#stages/redirect/image-blobs.ts'

export type ExplainRequest = Omit<ExplainAsk, 'ip' | 'digest' | 'atMs'> & {
  readonly address: string
  readonly digest?: string | undefined
  readonly reference?: string | undefined
  readonly seed?: number | undefined
}

export type ExplainedImage = {
  readonly reference: string
  readonly manifest: ExplainedBlob
  readonly blobs: readonly ExplainedBlob[]
}

/** For a digest its decision; for an image that of its manifest and of each of its blobs that may travel. */
export async function explainAt(
  front: FrontDoor,
  { address, digest, reference, seed, ...about }: ExplainRequest,
): Promise<ExplainedBlob | ExplainedImage> {
  const explain = (one: ExplainAsk['digest']) => {
    const explained = explainBlob(
      { ...about, ip: address, digest: one, ...(seed !== undefined && { atMs: seed }) },
      front,
    )
    if (!explained) throw new RegistryError('REQUEST_INVALID', `${JSON.stringify(address)} is no IP address`)
    return explained
  }
  if (digest !== undefined) return explain(requireDigest(digest))
  const image = parseImageReference(reference!)
  const manifest = image && findImage(image, front)
  const blobs = image && (await listImageBlobs(image, front))
  if (!manifest || !blobs)
    throw new RegistryError(
      'NAME_UNKNOWN',
      `the front door serves no ${JSON.stringify(reference)}${adviceOn(reference!)}`,
    )
  return { reference: reference!, manifest: explain(manifest.digest), blobs: blobs.map(explain) }
}

/** People paste what they pulled. What stands before the first slash is a registry if it has a dot or a port, as docker reads it. */
export function adviceOn(reference: string): string {
  const [, image] = /^(?:localhost|[^/]*[.:][^/]*)\/(.+)$/.exec(reference) ?? []
  if (image !== undefined) return `; without the name of the registry it is ${JSON.stringify(image)}`
  return reference.includes('@') ? '; a digest is given whole' : ''
}

function requireDigest(text: string) {
  const digest = parseDigest(text)
  if (!digest)
    throw new RegistryError('DIGEST_INVALID', 'a digest is sha256:<64 hex digits> or sha512:<128 hex digits>')
  return digest
}
