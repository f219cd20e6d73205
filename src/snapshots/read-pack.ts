// Reads a catalogue pack (its layout is in catalogue-pack.ts). A pack is hostile until it has been read to its end here.
import { createHash } from 'node:crypto'
import { type FileHandle, open } from 'node:fs/promises'
import { algorithmOf, type Digest, hexOf } from '#oci/digest.ts'
import { type PackHeader, packMagic } from './catalogue-pack.ts'
import { type DecodedRepository, PackRefused, parseHeader, parseLine, parseRepository, whole } from './pack-record.ts'
import type { PackedBytes } from './publication.ts'

export type Pack = {
  readonly path: string
  readonly header: PackHeader
  readonly repositories: readonly DecodedRepository[]
}

export type ReadPackOptions = {
  /** Re-read every manifest and small blob and compare its digest. */
  readonly verifyPayload: boolean
  readonly maxIndexBytes: number
}

export const readPackDefaults: ReadPackOptions = { verifyPayload: true, maxIndexBytes: 1024 * 1024 * 1024 }

const chunkBytes = 1024 * 1024
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

function decode(bytes: Uint8Array): string {
  try {
    return decoder.decode(bytes)
  } catch {
    throw new PackRefused('the index is not UTF-8')
  }
}

/** The index, line by line up to the empty one; where the payload begins is known when it has ended. */
class IndexReader {
  readonly #handle: FileHandle
  readonly #maxBytes: number
  payloadStart = 0

  constructor(handle: FileHandle, maxBytes: number) {
    this.#handle = handle
    this.#maxBytes = maxBytes
  }

  async *lines(): AsyncGenerator<string> {
    let parts: Uint8Array[] = []
    let partBytes = 0
    for (;;) {
      const { bytesRead, buffer } = await this.#handle.read(Buffer.allocUnsafe(chunkBytes), 0, chunkBytes, null)
      if (bytesRead === 0) throw new PackRefused('the index does not end')
      let rest = buffer.subarray(0, bytesRead)
      for (let newline = rest.indexOf(10); newline >= 0; newline = rest.indexOf(10)) {
        const end = rest.subarray(0, newline)
        rest = rest.subarray(newline + 1)
        const line = decode(parts.length === 0 ? end : Buffer.concat([...parts, end]))
        this.payloadStart += partBytes + newline + 1
        parts = []
        partBytes = 0
        if (line === '') return
        if (this.payloadStart > this.#maxBytes) throw new PackRefused('the index is too large')
        yield line
      }
      if (rest.length > 0) parts.push(rest)
      partBytes += rest.length
      if (this.payloadStart + partBytes > this.#maxBytes) throw new PackRefused('the index is too large')
    }
  }
}

type Item = { readonly digest: Digest; readonly bytes: PackedBytes }

function* itemsOf(repositories: readonly DecodedRepository[]): Generator<Item> {
  for (const repository of repositories) {
    for (const { digest, bytes } of repository.manifestsAdded.values()) yield { digest, bytes }
    for (const { digest, small } of repository.blobsAdded.values()) if (small) yield { digest, bytes: small }
  }
}

/** The distinct items in the order of the payload, which they must cover without gap or overlap: no byte travels unnamed. */
function tile(repositories: readonly DecodedRepository[], payloadBytes: number): readonly Item[] {
  const distinct = new Map<Digest, Item>()
  for (const item of itemsOf(repositories)) {
    const known = distinct.get(item.digest)
    if (!known) distinct.set(item.digest, item)
    else if (known.bytes.offset !== item.bytes.offset || known.bytes.sizeBytes !== item.bytes.sizeBytes) {
      throw new PackRefused(`${item.digest} is in two places`)
    }
  }
  const items = [...distinct.values()].sort(
    (a, b) => a.bytes.offset - b.bytes.offset || a.bytes.sizeBytes - b.bytes.sizeBytes,
  )
  let end = 0
  for (const { digest, bytes } of items) {
    if (bytes.offset !== end) throw new PackRefused(`${digest} lies at ${bytes.offset}, expected ${end}`)
    end += bytes.sizeBytes
  }
  if (end !== payloadBytes) throw new PackRefused(`the payload has ${payloadBytes} bytes, its items ${end}`)
  return items
}

async function verifyItem(handle: FileHandle, { digest, bytes }: Item, buffer: Buffer): Promise<void> {
  const hash = createHash(algorithmOf(digest))
  for (let done = 0; done < bytes.sizeBytes; ) {
    const want = Math.min(buffer.length, bytes.sizeBytes - done)
    const { bytesRead } = await handle.read(buffer, 0, want, bytes.offset + done)
    if (bytesRead === 0) throw new PackRefused(`${digest} is cut off`)
    hash.update(buffer.subarray(0, bytesRead))
    done += bytesRead
  }
  if (hash.digest('hex') !== hexOf(digest)) throw new PackRefused(`the bytes of ${digest} have another digest`)
}

/** Offsets in the index count from the payload; from here on they count from the start of the file, as a reader wants them. */
function rebase(repository: DecodedRepository, start: number): DecodedRepository {
  const moved = (bytes: PackedBytes): PackedBytes => ({ ...bytes, offset: bytes.offset + start })
  return {
    ...repository,
    manifestsAdded: new Map(
      [...repository.manifestsAdded].map(([digest, one]) => [digest, { ...one, bytes: moved(one.bytes) }]),
    ),
    blobsAdded: new Map(
      [...repository.blobsAdded].map(([digest, one]) => [
        digest,
        one.small ? { ...one, small: moved(one.small) } : one,
      ]),
    ),
  }
}

async function readIndex(index: IndexReader, path: string) {
  const lines = index.lines()
  const next = async (): Promise<string> => (await lines.next()).value ?? ''
  if ((await next()) !== packMagic) throw new PackRefused(`not a pack of a format that is known here (${packMagic})`)
  const header = parseHeader(await next())
  const repositories: DecodedRepository[] = []
  const names = new Set<string>()
  let trailer: { readonly repositories: number; readonly payloadBytes: number } | undefined
  for await (const line of lines) {
    if (trailer) throw new PackRefused('the index goes on after its last line')
    const fields = parseLine(line)
    if (fields.name === undefined) {
      trailer = {
        repositories: whole(fields.repositories, 'repositories'),
        payloadBytes: whole(fields.payloadBytes, 'payloadBytes'),
      }
      continue
    }
    const repository = parseRepository(fields, path, header)
    if (names.has(repository.name)) throw new PackRefused(`${repository.name} is named twice`)
    names.add(repository.name)
    repositories.push(repository)
  }
  if (trailer?.repositories !== repositories.length) throw new PackRefused('the index does not count what it holds')
  return { header, repositories, payloadBytes: trailer.payloadBytes }
}

/** Throws PackRefused for any pack that is not exactly what `writePack` makes. */
export async function readPack(path: string, options: ReadPackOptions = readPackDefaults): Promise<Pack> {
  const handle = await open(path, 'r')
  try {
    const index = new IndexReader(handle, options.maxIndexBytes)
    const { header, repositories, payloadBytes } = await readIndex(index, path)
    const { size } = await handle.stat()
    if (size !== index.payloadStart + payloadBytes) {
      throw new PackRefused(`the file has ${size} bytes, its index speaks of ${index.payloadStart + payloadBytes}`)
    }
    const items = tile(repositories, payloadBytes)
    if (options.verifyPayload) {
      const buffer = Buffer.allocUnsafe(chunkBytes)
      for (const { digest, bytes } of items) {
        await verifyItem(handle, { digest, bytes: { ...bytes, offset: bytes.offset + index.payloadStart } }, buffer)
      }
    }
    return { path, header, repositories: repositories.map((one) => rebase(one, index.payloadStart)) }
  } finally {
    await handle.close()
  }
}
