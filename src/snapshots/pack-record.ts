// The lines of a pack's index, checked field by field: whoever wrote the file, what comes out of here is well formed.
import { type Digest, parseDigest } from '#oci/digest.ts'
import { isMediaType } from '#oci/media-type.ts'
import { parseName, parseTag, type RepositoryName, type Tag } from '#oci/name.ts'
import type { PackHeader } from './catalogue-pack.ts'
import { type Packed, type PackedKind, PackedTable, type PackFile } from './packed-table.ts'
import type { BlobTable, ManifestDetail, ManifestTable } from './publication.ts'
import { blobKind, manifestKind } from './published-tables.ts'

/** The pack is not one, or is damaged, or does not fit; the reason is for the operator's log. */
export class PackRefused extends Error {
  override readonly name = 'PackRefused'
}

export type DecodedRepository = {
  readonly name: RepositoryName
  readonly isRemoved: boolean
  readonly tagsSet: ReadonlyMap<Tag, Digest>
  readonly tagsRemoved: ReadonlySet<Tag>
  readonly manifestsAdded: ManifestTable
  readonly manifestsRemoved: ReadonlySet<Digest>
  readonly blobsAdded: BlobTable
  readonly blobsRemoved: ReadonlySet<Digest>
}

type Fields = Readonly<Record<string, unknown>>

export function parseLine(line: string): Fields {
  let value: unknown
  try {
    value = JSON.parse(line)
  } catch {
    throw new PackRefused('a line of the index is not JSON')
  }
  return fieldsOf(value, 'a line of the index')
}

function fieldsOf(value: unknown, what: string): Fields {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new PackRefused(`${what} is no object`)
  return value as Fields
}

export function whole(value: unknown, what: string): number {
  if (!Number.isSafeInteger(value) || (value as number) < 0) throw new PackRefused(`${what} is no whole number`)
  return value as number
}

function text(value: unknown, what: string, maxLength: number): string {
  if (typeof value !== 'string' || value.length > maxLength)
    throw new PackRefused(`${what} is no text within its limit`)
  return value
}

function list(value: unknown, what: string): readonly unknown[] {
  if (value === undefined) return []
  if (!Array.isArray(value)) throw new PackRefused(`${what} is no list`)
  return value
}

function digestOf(value: unknown, what: string): Digest {
  const digest = typeof value === 'string' ? parseDigest(value) : undefined
  if (!digest) throw new PackRefused(`${what} is no digest`)
  return digest
}

function tagOf(value: unknown): Tag {
  const tag = typeof value === 'string' ? parseTag(value) : undefined
  if (!tag) throw new PackRefused('a tag is not well formed')
  return tag
}

function unique<T>(items: readonly T[], what: string): ReadonlySet<T> {
  const set = new Set(items)
  if (set.size !== items.length) throw new PackRefused(`${what} names something twice`)
  return set
}

function tableOf<T, D>(
  kind: PackedKind<T, D>,
  items: readonly Packed<D>[],
  about: { readonly pack: PackFile; readonly what: string },
): PackedTable<T, D> {
  const table = PackedTable.of(kind, items, about.pack)
  if (table.size !== items.length) throw new PackRefused(`${about.what} names a digest twice`)
  return table
}

function annotationsOf(value: unknown): Readonly<Record<string, string>> | undefined {
  if (value === undefined) return undefined
  const fields = fieldsOf(value, 'annotations')
  for (const one of Object.values(fields))
    if (typeof one !== 'string') throw new PackRefused('an annotation is no text')
  return fields as Record<string, string>
}

function manifestOf(value: unknown): Packed<ManifestDetail> {
  const fields = fieldsOf(value, 'a manifest')
  const mediaType = text(fields.mediaType, 'a media type', 255)
  if (!isMediaType(mediaType)) throw new PackRefused(`${mediaType} is no media type`)
  return {
    digest: digestOf(fields.digest, "a manifest's digest"),
    sizeBytes: whole(fields.sizeBytes, "a manifest's size"),
    offset: whole(fields.offset, 'an offset'),
    detail: {
      mediaType,
      artifactType: fields.artifactType === undefined ? undefined : text(fields.artifactType, 'an artifact type', 255),
      annotations: annotationsOf(fields.annotations),
      subject: fields.subject === undefined ? undefined : digestOf(fields.subject, 'a subject'),
    },
  }
}

function blobOf(value: unknown, header: PackHeader): Packed<number> {
  const fields = fieldsOf(value, 'a blob')
  const sizeBytes = whole(fields.sizeBytes, "a blob's size")
  const generation = whole(fields.generation, "a blob's generation")
  if (generation > header.to) throw new PackRefused('a blob is of a later generation than its pack')
  if (fields.offset === undefined && sizeBytes < header.smallBlobBytes)
    throw new PackRefused('a small blob has no bytes')
  if (fields.offset !== undefined && sizeBytes >= header.smallBlobBytes)
    throw new PackRefused('a large blob is in the pack')
  return {
    digest: digestOf(fields.digest, "a blob's digest"),
    sizeBytes,
    offset: fields.offset === undefined ? undefined : whole(fields.offset, 'an offset'),
    detail: fields.isConfig === true ? -generation : generation,
  }
}

export function parseHeader(line: string): PackHeader {
  const fields = parseLine(line)
  const header = {
    channel: text(fields.channel, 'the channel', 255),
    from: whole(fields.from, 'from'),
    to: whole(fields.to, 'to'),
    createdAtMs: whole(fields.createdAtMs, 'createdAtMs'),
    smallBlobBytes: whole(fields.smallBlobBytes, 'smallBlobBytes'),
  }
  if (header.from >= header.to) throw new PackRefused(`a pack from ${header.from} to ${header.to} leads nowhere`)
  return header
}

/** Something whose bytes lie in the payload. */
export type PayloadItem = { readonly digest: Digest; readonly sizeBytes: number; readonly offset: number }

/** `take` gets what lies in the payload, in the order in which it was placed there. */
export function parseRepository(
  fields: Fields,
  { pack, header, take }: { readonly pack: PackFile; readonly header: PackHeader; take(item: PayloadItem): void },
): DecodedRepository {
  const name = parseName(text(fields.name, 'a repository name', 255))
  if (!name) throw new PackRefused('a repository name is not well formed')
  const isRemoved = fields.isRemoved === true
  if (isRemoved && Object.keys(fields).length !== 2) throw new PackRefused(`${name} is removed and changed`)
  const tagsSet = list(fields.tagsSet, 'tagsSet').map((pair) => {
    if (!Array.isArray(pair) || pair.length !== 2) throw new PackRefused('a tag is no pair')
    return [tagOf(pair[0]), digestOf(pair[1], "a tag's digest")] as const
  })
  const tags = new Map(tagsSet)
  if (tags.size !== tagsSet.length) throw new PackRefused(`${name} sets a tag twice`)
  const digests = (value: unknown, what: string) =>
    unique(
      list(value, what).map((one) => digestOf(one, what)),
      what,
    )
  const manifests = list(fields.manifestsAdded, 'manifestsAdded').map(manifestOf)
  const blobs = list(fields.blobsAdded, 'blobsAdded').map((one) => blobOf(one, header))
  for (const { digest, sizeBytes, offset } of [...manifests, ...blobs])
    if (offset !== undefined) take({ digest, sizeBytes, offset })
  return {
    name,
    isRemoved,
    tagsSet: tags,
    tagsRemoved: unique(list(fields.tagsRemoved, 'tagsRemoved').map(tagOf), 'tagsRemoved'),
    manifestsAdded: tableOf(manifestKind, manifests, { pack, what: 'manifestsAdded' }),
    manifestsRemoved: digests(fields.manifestsRemoved, 'manifestsRemoved'),
    blobsAdded: tableOf(blobKind, blobs, { pack, what: 'blobsAdded' }),
    blobsRemoved: digests(fields.blobsRemoved, 'blobsRemoved'),
  }
}
