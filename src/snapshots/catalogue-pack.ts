// A catalogue pack: manifests, tags and small blobs of one generation, or what changed between two; what a front door serves.
//
//   FLOTILLA-PACK 1\n
//   {"channel","from","to","createdAtMs","smallBlobBytes"}\n      from 0: the whole generation `to`
//   {"name", "tagsSet":[[tag,digest]], "manifestsAdded":[{…,"offset"}], "blobsAdded":[…], "…Removed":[…]}\n   one line per repository
//   {"repositories": N, "payloadBytes": M}\n
//   \n
//   payload                       each manifest and small blob once; offsets count from here and cover it without a gap
//
// A pack of changes names every tag and manifest that any generation after `from` up to `to` changed, as it is at `to`. So whoever holds
// any generation from `from` on and before `to` may read it: what it adds may be there already, what it removes may never have been.
import { createHash } from 'node:crypto'
import type { FileHandle } from 'node:fs/promises'
import { writeFileAtomically } from '#kit/atomic-file.ts'
import { algorithmOf, type Digest, makeDigest } from '#oci/digest.ts'
import type { RepositoryName, Tag } from '#oci/name.ts'

export const packMagic = 'FLOTILLA-PACK 1'

export type PackHeader = {
  readonly channel: string
  /** The first generation that this pack leads on from; 0: none, the pack is whole. */
  readonly from: number
  readonly to: number
  readonly createdAtMs: number
  /** Blobs below this size lie in the payload, the others in the tree. */
  readonly smallBlobBytes: number
}

export type PackManifest = {
  readonly digest: Digest
  readonly mediaType: string
  readonly sizeBytes: number
  readonly artifactType?: string | undefined
  readonly annotations?: Readonly<Record<string, string>> | undefined
  readonly subject?: Digest | undefined
}

export type PackBlob = {
  readonly digest: Digest
  readonly sizeBytes: number
  readonly generation: number
  /** Some image's config, which no client is sent to a host for. Told of large ones only: small ones stay home anyway. */
  readonly isConfig?: boolean
}

/** What happened to one repository. Removals are applied before additions, so a digest in both is replaced. */
export type PackRepository = {
  readonly name: RepositoryName
  /** The whole repository goes; nothing else may be said then. */
  readonly isRemoved?: boolean
  readonly tagsSet?: Iterable<readonly [Tag, Digest]>
  readonly tagsRemoved?: readonly Tag[]
  readonly manifestsAdded?: readonly PackManifest[]
  readonly manifestsRemoved?: readonly Digest[]
  readonly blobsAdded?: readonly PackBlob[]
  readonly blobsRemoved?: readonly Digest[]
}

export type WrittenPack = { readonly path: string; readonly sizeBytes: number; readonly digest: Digest }

const flushBytes = 256 * 1024

/** Writes in pieces and hashes what it writes, so that a pack of any size takes little memory. */
class HashingFile {
  readonly #handle: FileHandle
  readonly #hash = createHash('sha256')
  #text: string[] = []
  #textLength = 0
  sizeBytes = 0

  constructor(handle: FileHandle) {
    this.#handle = handle
  }

  async line(text: string): Promise<void> {
    this.#text.push(text, '\n')
    this.#textLength += text.length + 1
    if (this.#textLength >= flushBytes) await this.flush()
  }

  async flush(): Promise<void> {
    if (this.#textLength === 0) return
    const bytes = Buffer.from(this.#text.join(''))
    this.#text = []
    this.#textLength = 0
    await this.bytes(bytes)
  }

  async bytes(bytes: Uint8Array): Promise<void> {
    this.#hash.update(bytes)
    this.sizeBytes += bytes.length
    for (let done = 0; done < bytes.length; ) {
      done += (await this.#handle.write(bytes, done, bytes.length - done)).bytesWritten
    }
  }

  digest(): Digest {
    return makeDigest('sha256', this.#hash.digest('hex'))
  }
}

type PayloadItem = { readonly digest: Digest; readonly sizeBytes: number }

/** Where each item of the payload will lie; the same bytes in many repositories lie there once. */
class Payload {
  readonly items: PayloadItem[] = []
  readonly #offsets = new Map<Digest, number>()
  sizeBytes = 0

  place(item: PayloadItem): number {
    const known = this.#offsets.get(item.digest)
    if (known !== undefined) return known
    const offset = this.sizeBytes
    this.#offsets.set(item.digest, offset)
    this.items.push({ digest: item.digest, sizeBytes: item.sizeBytes })
    this.sizeBytes += item.sizeBytes
    return offset
  }
}

const unlessEmpty = <T>(list: readonly T[] | undefined): readonly T[] | undefined => (list?.length ? list : undefined)

function repositoryLine(repository: PackRepository, smallBlobBytes: number, payload: Payload): string {
  if (repository.isRemoved) return JSON.stringify({ name: repository.name, isRemoved: true })
  return JSON.stringify({
    name: repository.name,
    tagsSet: unlessEmpty([...(repository.tagsSet ?? [])]),
    tagsRemoved: unlessEmpty(repository.tagsRemoved),
    manifestsAdded: unlessEmpty(
      repository.manifestsAdded?.map(({ digest, mediaType, sizeBytes, artifactType, annotations, subject }) => {
        const offset = payload.place({ digest, sizeBytes })
        return { digest, mediaType, sizeBytes, offset, artifactType, annotations, subject }
      }),
    ),
    manifestsRemoved: unlessEmpty(repository.manifestsRemoved),
    blobsAdded: unlessEmpty(
      repository.blobsAdded?.map(({ digest, sizeBytes, generation, isConfig }) => {
        if (sizeBytes < smallBlobBytes)
          return { digest, sizeBytes, generation, offset: payload.place({ digest, sizeBytes }) }
        return { digest, sizeBytes, generation, isConfig: isConfig || undefined }
      }),
    ),
    blobsRemoved: unlessEmpty(repository.blobsRemoved),
  })
}

async function writePayload(file: HashingFile, item: PayloadItem, bytes: AsyncIterable<Uint8Array>): Promise<void> {
  const hash = createHash(algorithmOf(item.digest))
  const before = file.sizeBytes
  for await (const chunk of bytes) {
    hash.update(chunk)
    await file.bytes(chunk)
  }
  const actual = makeDigest(algorithmOf(item.digest), hash.digest('hex'))
  const sizeBytes = file.sizeBytes - before
  if (actual !== item.digest || sizeBytes !== item.sizeBytes) {
    throw new Error(`${item.digest} of ${item.sizeBytes} bytes came out as ${actual} of ${sizeBytes} bytes`)
  }
}

/**
 * Writes a pack beside `path`, verifies every item as it passes, and renames it in place: what is at `path` is whole and durable.
 * `openBytes` gives the bytes of a manifest or small blob; it is asked once per digest, in the order of their first naming.
 */
export function writePack(
  path: string,
  header: PackHeader,
  repositories: Iterable<PackRepository> | AsyncIterable<PackRepository>,
  openBytes: (digest: Digest) => AsyncIterable<Uint8Array> | Promise<AsyncIterable<Uint8Array>>,
): Promise<WrittenPack> {
  return writeFileAtomically(path, async (handle) => {
    const file = new HashingFile(handle)
    const payload = new Payload()
    let count = 0
    const { channel, from, to, createdAtMs, smallBlobBytes } = header
    await file.line(packMagic)
    await file.line(JSON.stringify({ channel, from, to, createdAtMs, smallBlobBytes }))
    for await (const repository of repositories) {
      await file.line(repositoryLine(repository, smallBlobBytes, payload))
      count++
    }
    await file.line(JSON.stringify({ repositories: count, payloadBytes: payload.sizeBytes }))
    await file.line('')
    await file.flush()
    for (const item of payload.items) await writePayload(file, item, await openBytes(item.digest))
    return { path, sizeBytes: file.sizeBytes, digest: file.digest() }
  })
}
