// Content descriptors (image-spec descriptor.md), read by value from untrusted JSON.

import { type Digest, parseDigest } from './digest.ts'
import { isMediaType } from './media-type.ts'

export type Platform = { readonly os: string; readonly architecture: string; readonly variant: string | undefined }

export type Descriptor = {
  readonly mediaType: string
  readonly digest: Digest
  readonly size: number
  readonly urls: readonly string[]
  readonly artifactType: string | undefined
  readonly annotations: Readonly<Record<string, string>> | undefined
  readonly platform: Platform | undefined
}

/** What is wrong with a value, and where: `layers[3].digest: …`. */
export class MalformedValue extends Error {
  override readonly name = 'MalformedValue'
}

export type JsonObject = Readonly<Record<string, unknown>>

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Undefined when absent; Go writes an empty map as null. */
export function parseAnnotations(value: unknown, at: string): Readonly<Record<string, string>> | undefined {
  if (value === undefined || value === null) return undefined
  if (!isObject(value)) throw new MalformedValue(`${at}: must be an object of strings`)
  for (const [key, text] of Object.entries(value)) {
    if (typeof text !== 'string')
      throw new MalformedValue(`${at}[${JSON.stringify(key.slice(0, 80))}]: must be a string`)
  }
  return value as Record<string, string>
}

export function parseOptionalText(value: unknown, at: string): string | undefined {
  if (value === undefined || value === null || value === '') return undefined
  if (typeof value !== 'string') throw new MalformedValue(`${at}: must be a string`)
  return value
}

export function parseOptionalMediaType(value: unknown, at: string): string | undefined {
  const text = parseOptionalText(value, at)
  if (text !== undefined && !isMediaType(text)) throw new MalformedValue(`${at}: not a media type (RFC 6838)`)
  return text
}

export function parseDescriptor(value: unknown, at: string): Descriptor {
  if (!isObject(value)) throw new MalformedValue(`${at}: must be a descriptor object`)
  const mediaType = parseOptionalMediaType(value.mediaType, `${at}.mediaType`)
  if (!mediaType) throw new MalformedValue(`${at}.mediaType: missing`)
  const digest = typeof value.digest === 'string' ? parseDigest(value.digest) : undefined
  if (!digest) throw new MalformedValue(`${at}.digest: must be sha256:<64 hex digits> or sha512:<128 hex digits>`)
  const { size, urls } = value
  if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0) {
    throw new MalformedValue(`${at}.size: must be a whole number of bytes, 0 or more`)
  }
  if (urls !== undefined && urls !== null && !(Array.isArray(urls) && urls.every((url) => typeof url === 'string'))) {
    throw new MalformedValue(`${at}.urls: must be an array of strings`)
  }
  return {
    mediaType,
    digest,
    size,
    urls: (urls as string[] | null | undefined) ?? [],
    artifactType: parseOptionalMediaType(value.artifactType, `${at}.artifactType`),
    annotations: parseAnnotations(value.annotations, `${at}.annotations`),
    platform: parsePlatform(value.platform, `${at}.platform`),
  }
}

function parsePlatform(value: unknown, at: string): Platform | undefined {
  if (value === undefined || value === null) return undefined
  if (!isObject(value)) throw new MalformedValue(`${at}: must be an object`)
  return {
    os: parseOptionalText(value.os, `${at}.os`) ?? 'unknown',
    architecture: parseOptionalText(value.architecture, `${at}.architecture`) ?? 'unknown',
    variant: parseOptionalText(value.variant, `${at}.variant`),
  }
}
