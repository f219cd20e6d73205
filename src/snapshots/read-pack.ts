// Reads a catalogue pack (its layout is in catalogue-pack.ts). A pack is hostile until it has been read to its end here.
import { createHash } from 'node:crypto'
import { type FileHandle, open } from 'node:fs/promises'
import { Breather } from '#kit/breather.ts'
import { algorithmOf, type Digest, hexOf } from '#oci/digest.ts'
import { type PackHeader, packMagic } from './catalogue-pack.ts'
import {
  type DecodedRepository,
  PackRefused,
  type PayloadItem,
  parseHeader,
  parseLine,
  parseRepository,
  whole,
} from './pack-record.ts'
import type { PackFile } from './packed-table.ts'

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

const chunkBytes = 256 * 1024
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

/** The distinct items of the payload, which they must cover in their order without gap or overlap: no byte travels unnamed. */
class Tiling {
  readonly items: PayloadItem[] = []
  readonly #offsets = new Map<Digest, PayloadItem>()
  #end = 0

  take(item: PayloadItem): void {
    const { digest, offset, sizeBytes } = item
    const known = this.#offsets.get(digest)
    if (known) {
      if (known.offset !== offset || known.sizeBytes !== sizeBytes) throw new PackRefused(`${digest} is in two places`)
      return
    }
    if (offset !== this.#end) throw new PackRefused(`${digest} lies at ${offset}, expected ${this.#end}`)
    this.#offsets.set(digest, item)
    this.items.push(item)
    this.#end += sizeBytes
  }

  requireEnd(payloadBytes: number): void {
    if (this.#end !== payloadBytes)
      throw new PackRefused(`the payload has ${payloadBytes} bytes, its items ${this.#end}`)
  }
}

/** In the order of the payload, read in large pieces. */
async function verifyPayload(handle: FileHandle, items: readonly PayloadItem[], payloadStart: number): Promise<void> {
  const breather = new Breather()
  const buffer = Buffer.allocUnsafe(chunkBytes)
  let [start, end] = [0, 0]
  for (const { digest, offset, sizeBytes } of items) {
    const hash = createHash(algorithmOf(digest))
    for (let done = 0; done < sizeBytes; ) {
      const at = offset + done
      if (at >= end) {
        const { bytesRead } = await handle.read(buffer, 0, buffer.length, payloadStart + at)
        if (bytesRead === 0) throw new PackRefused(`${digest} is cut off`)
        ;[start, end] = [at, at + bytesRead]
      }
      const piece = buffer.subarray(at - start, Math.min(end - start, at - start + sizeBytes - done))
      hash.update(piece)
      done += piece.length
    }
    if (hash.digest('hex') !== hexOf(digest)) throw new PackRefused(`the bytes of ${digest} have another digest`)
    if (breather.isDue) await breather.pause()
  }
}

async function readIndex(index: IndexReader, pack: PackFile) {
  const lines = index.lines()
  const next = async (): Promise<string> => (await lines.next()).value ?? ''
  if ((await next()) !== packMagic) throw new PackRefused(`not a pack of a format that is known here (${packMagic})`)
  const header = parseHeader(await next())
  const tiling = new Tiling()
  const reading = { pack, header, take: (item: PayloadItem) => tiling.take(item) }
  const repositories: DecodedRepository[] = []
  const names = new Set<string>()
  const breather = new Breather()
  let trailer: { readonly repositories: number; readonly payloadBytes: number } | undefined
  for await (const line of lines) {
    if (breather.isDue) await breather.pause()
    if (trailer) throw new PackRefused('the index goes on after its last line')
    const fields = parseLine(line)
    if (fields.name === undefined) {
      trailer = {
        repositories: whole(fields.repositories, 'repositories'),
        payloadBytes: whole(fields.payloadBytes, 'payloadBytes'),
      }
      continue
    }
    const repository = parseRepository(fields, reading)
    if (names.has(repository.name)) throw new PackRefused(`${repository.name} is named twice`)
    names.add(repository.name)
    repositories.push(repository)
  }
  if (trailer?.repositories !== repositories.length) throw new PackRefused('the index does not count what it holds')
  tiling.requireEnd(trailer.payloadBytes)
  return { header, repositories, items: tiling.items, payloadBytes: trailer.payloadBytes }
}

/** Throws PackRefused for any pack that is not exactly what `writePack` makes. */
export async function readPack(path: string, options: ReadPackOptions = readPackDefaults): Promise<Pack> {
  const handle = await open(path, 'r')
  try {
    const index = new IndexReader(handle, options.maxIndexBytes)
    const pack = { path, payloadStart: 0 }
    const { header, repositories, items, payloadBytes } = await readIndex(index, pack)
    pack.payloadStart = index.payloadStart
    const { size } = await handle.stat()
    if (size !== index.payloadStart + payloadBytes) {
      throw new PackRefused(`the file has ${size} bytes, its index speaks of ${index.payloadStart + payloadBytes}`)
    }
    if (options.verifyPayload) await verifyPayload(handle, items, index.payloadStart)
    return { path, header, repositories }
  } finally {
    await handle.close()
  }
}
