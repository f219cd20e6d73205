// Image manifests and indexes (image-spec manifest.md, image-index.md; docker image-spec v2.2), read by value from untrusted bytes.

import {
  type Descriptor,
  isObject,
  type JsonObject,
  MalformedValue,
  parseAnnotations,
  parseDescriptor,
  parseOptionalMediaType,
} from './descriptor.ts'
import { RegistryError } from './errors.ts'
import {
  bareMediaType,
  isDocker,
  isNonDistributable,
  isSchema1,
  type ManifestKind,
  manifestKindOf,
} from './media-type.ts'

export type ManifestLimits = {
  readonly maxManifestBytes: number
  /** Descriptors in one manifest, of any kind. */
  readonly maxDescriptors: number
}

export const defaultManifestLimits: ManifestLimits = { maxManifestBytes: 4 << 20, maxDescriptors: 10_000 }

/** Deeper JSON has no meaning in any manifest and costs every reader stack. */
const maxDepth = 64

export type Manifest = {
  readonly kind: ManifestKind
  readonly mediaType: string
  /** What referrer lists show: the manifest's own, else its config's media type. */
  readonly artifactType: string | undefined
  readonly config: Descriptor | undefined
  readonly layers: readonly Descriptor[]
  readonly children: readonly Descriptor[]
  readonly subject: Descriptor | undefined
  readonly annotations: Readonly<Record<string, string>> | undefined
}

/** A layer that clients may fetch elsewhere, so that its blob may be absent here. */
export function isForeign(layer: Descriptor): boolean {
  return layer.urls.length > 0 || isNonDistributable(layer.mediaType)
}

/** Throws RegistryError MANIFEST_INVALID, which says what is wrong and where. `contentType` is the request's header. */
export function parseManifest(
  bytes: Uint8Array,
  contentType: string | undefined,
  limits: ManifestLimits = defaultManifestLimits,
): Manifest {
  if (bytes.length > limits.maxManifestBytes) {
    throw new RegistryError(
      'MANIFEST_INVALID',
      `the manifest has ${bytes.length} bytes, at most ${limits.maxManifestBytes} are taken`,
      { status: 413 },
    )
  }
  const declared = contentType === undefined ? undefined : bareMediaType(contentType)
  if (declared && declared !== 'application/json' && isSchema1(declared)) refuseSchema1()
  try {
    return readManifest(readObject(bytes), declared, limits)
  } catch (error) {
    if (error instanceof MalformedValue) throw new RegistryError('MANIFEST_INVALID', error.message, { cause: error })
    throw error
  }
}

function refuseSchema1(): never {
  throw new RegistryError(
    'MANIFEST_INVALID',
    'docker image manifest schema 1 is not taken: push schema 2 or an OCI manifest',
  )
}

function readObject(bytes: Uint8Array): JsonObject {
  checkDepth(bytes)
  let value: unknown
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes))
  } catch (error) {
    throw new MalformedValue(`not valid JSON in UTF-8: ${(error as Error).message.slice(0, 200)}`)
  }
  if (!isObject(value)) throw new MalformedValue('must be a JSON object')
  return value
}

function checkDepth(bytes: Uint8Array): void {
  let depth = 0
  let isInString = false
  for (let i = 0; i < bytes.length; i++) {
    const c = bytes[i]
    if (isInString) {
      if (c === 0x5c) i++
      else if (c === 0x22) isInString = false
    } else if (c === 0x22) isInString = true
    else if (c === 0x7b || c === 0x5b) {
      if (++depth > maxDepth) throw new MalformedValue(`nested more than ${maxDepth} deep`)
    } else if (c === 0x7d || c === 0x5d) depth--
  }
}

const meaningful = [
  'schemaVersion',
  'mediaType',
  'artifactType',
  'config',
  'layers',
  'manifests',
  'subject',
  'annotations',
]
const meaningfulInLowerCase = new Set(meaningful.map((key) => key.toLowerCase()))

/** Go's decoder takes `Layers` for `layers`: a client written in it would see another manifest than we do. */
function checkKeys(value: JsonObject): void {
  for (const key of Object.keys(value)) {
    if (meaningfulInLowerCase.has(key.toLowerCase()) && !meaningful.includes(key)) {
      throw new MalformedValue(`${key}: some clients would read this as another field, written in other letters`)
    }
  }
}

function readManifest(value: JsonObject, declared: string | undefined, limits: ManifestLimits): Manifest {
  checkKeys(value)
  if (value.schemaVersion === 1) refuseSchema1()
  if (value.schemaVersion !== 2) throw new MalformedValue('schemaVersion: must be 2')
  const inBody = parseOptionalMediaType(value.mediaType, 'mediaType')
  if (inBody && declared && inBody !== declared) {
    throw new MalformedValue(`mediaType: the body says ${inBody}, the Content-Type header ${declared}`)
  }
  const mediaType = inBody ?? declared
  if (!mediaType) throw new MalformedValue('neither a Content-Type header nor a mediaType in the body')
  // The type must follow from the bytes: otherwise the first push of the same bytes, anywhere, would decide it for all.
  if (!inBody && isDocker(mediaType)) throw new MalformedValue(`mediaType: missing, ${mediaType} must name itself`)
  const kind = manifestKindOf(mediaType)
  if (!kind) throw new MalformedValue(`${mediaType} is not a media type of manifests that this registry takes`)

  const hasImageParts = value.layers !== undefined || value.config !== undefined || value.fsLayers !== undefined
  if (value.manifests !== undefined && hasImageParts) {
    throw new MalformedValue('has both manifests and config or layers: it could be read as an index and as an image')
  }
  if (kind === 'index' && hasImageParts) throw new MalformedValue(`${mediaType} cannot have config or layers`)
  if (kind === 'image' && value.manifests !== undefined) throw new MalformedValue(`${mediaType} cannot have manifests`)

  const config = kind === 'image' ? parseDescriptor(value.config, 'config') : undefined
  const layers = kind === 'image' ? parseList(value.layers, 'layers', limits) : []
  const children = kind === 'index' ? parseList(value.manifests, 'manifests', limits) : []
  const ownType = parseOptionalMediaType(value.artifactType, 'artifactType')
  return {
    kind,
    mediaType,
    artifactType: ownType ?? config?.mediaType,
    config,
    layers,
    children,
    subject:
      value.subject === undefined || value.subject === null ? undefined : parseDescriptor(value.subject, 'subject'),
    annotations: parseAnnotations(value.annotations, 'annotations'),
  }
}

/** Null is how Go writes an empty list. */
function parseList(value: unknown, at: string, limits: ManifestLimits): readonly Descriptor[] {
  if (value === null) return []
  if (!Array.isArray(value)) throw new MalformedValue(`${at}: must be an array of descriptors`)
  if (value.length > limits.maxDescriptors) {
    throw new MalformedValue(`${at}: has ${value.length} entries, at most ${limits.maxDescriptors} are taken`)
  }
  return value.map((one, i) => parseDescriptor(one, `${at}[${i}]`))
}
