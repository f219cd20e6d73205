// What an image config says of itself (image-spec config.md). It is pushed content: taken as data, bounded, never trusted to be well formed.

import type { BlobStore } from '#blobs/blob-store.ts'
import { isObject } from '#oci/descriptor.ts'
import type { Digest } from '#oci/digest.ts'
import { mediaTypes } from '#oci/media-type.ts'

export type ImageFacts = {
  readonly platform: string | undefined
  readonly createdAt: string | undefined
  readonly labels: Readonly<Record<string, string>>
}

const nothing: ImageFacts = { platform: undefined, createdAt: undefined, labels: {} }
const maxConfigBytes = 4 << 20
const imageConfigs: readonly string[] = [mediaTypes.ociConfig, mediaTypes.dockerConfig]

export async function readImageFacts(
  blobs: BlobStore,
  config: { readonly digest: Digest; readonly mediaType: string; readonly sizeBytes: number } | undefined,
): Promise<ImageFacts> {
  if (!config || !imageConfigs.includes(config.mediaType) || config.sizeBytes > maxConfigBytes) return nothing
  await using body = await blobs.open(config.digest)
  if (!body) return nothing
  let value: unknown
  try {
    value = await new Response(body.stream()).json()
  } catch {
    return nothing
  }
  if (!isObject(value)) return nothing
  const text = (one: unknown) => (typeof one === 'string' && one !== '' ? one : undefined)
  const platform = [value.os, value.architecture, value.variant].map(text).filter((one) => one !== undefined)
  const container = isObject(value.config) ? value.config : {}
  const labels = isObject(container.Labels) ? container.Labels : {}
  return {
    platform: platform.length > 0 ? platform.join('/') : undefined,
    createdAt: text(value.created),
    labels: Object.fromEntries(
      Object.entries(labels).filter((pair): pair is [string, string] => typeof pair[1] === 'string'),
    ),
  }
}
