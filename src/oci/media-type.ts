// The media types a registry must tell apart (image-spec media-types.md; docker image spec v2.2).

export const mediaTypes = {
  ociManifest: 'application/vnd.oci.image.manifest.v1+json',
  ociIndex: 'application/vnd.oci.image.index.v1+json',
  ociConfig: 'application/vnd.oci.image.config.v1+json',
  ociEmpty: 'application/vnd.oci.empty.v1+json',
  dockerManifest: 'application/vnd.docker.distribution.manifest.v2+json',
  dockerList: 'application/vnd.docker.distribution.manifest.list.v2+json',
  dockerConfig: 'application/vnd.docker.container.image.v1+json',
} as const

export type ManifestKind = 'image' | 'index'

const manifestKinds: Readonly<Record<string, ManifestKind>> = {
  [mediaTypes.ociManifest]: 'image',
  [mediaTypes.dockerManifest]: 'image',
  [mediaTypes.ociIndex]: 'index',
  [mediaTypes.dockerList]: 'index',
}

const schema1 = new Set([
  'application/vnd.docker.distribution.manifest.v1+json',
  'application/vnd.docker.distribution.manifest.v1+prettyjws',
  'application/json',
])

/** The type without parameters, in lower case: `Application/JSON; charset=utf-8` -> `application/json`. */
export function bareMediaType(header: string): string {
  const semicolon = header.indexOf(';')
  return (semicolon < 0 ? header : header.slice(0, semicolon)).trim().toLowerCase()
}

export function manifestKindOf(mediaType: string): ManifestKind | undefined {
  return Object.hasOwn(manifestKinds, mediaType) ? manifestKinds[mediaType] : undefined
}

export function isDocker(mediaType: string): boolean {
  return mediaType.startsWith('application/vnd.docker.')
}

/** Docker schema 1, and `application/json`, under which old clients sent it. */
export function isSchema1(mediaType: string): boolean {
  return schema1.has(mediaType)
}

/** Layers that may live elsewhere (image-spec layer.md#non-distributable-layers; docker foreign layers). */
export function isNonDistributable(mediaType: string): boolean {
  return (
    mediaType.startsWith('application/vnd.oci.image.layer.nondistributable.') ||
    mediaType.startsWith('application/vnd.docker.image.rootfs.foreign.')
  )
}

const token = "[A-Za-z0-9!#$%&'*+.^_`|~-]+"
const mediaTypePattern = new RegExp(`^${token}/${token}$`)

/** RFC 6838: type/subtype of tokens, each at most 127 characters. */
export function isMediaType(text: string): boolean {
  return text.length <= 255 && mediaTypePattern.test(text)
}
