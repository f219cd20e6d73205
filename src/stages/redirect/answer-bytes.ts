// Bytes that are served from here: whole, one range, or the news that the client has them already.
import type { BlobBody, ByteRange } from '#blobs/blob-store.ts'
import { type Answer, type Ask, refuse } from '#http/answer.ts'
import { chooseRanges, ifNoneMatchHits } from '#http/range.ts'
import type { Digest } from '#oci/digest.ts'
import type { PackedBytes } from '#snapshots/packed-table.ts'
import type { OpenBlob } from './own-blobs.ts'
import type { PackedBytesReader } from './packed-bytes.ts'

export type Content = {
  readonly sizeBytes: number
  /** Undefined when the bytes are not here after all. */
  open(range: ByteRange | undefined): Uint8Array | Promise<Uint8Array | BlobBody | undefined>
}

/** Bytes in a pack. */
export class PackedContent implements Content {
  readonly sizeBytes: number
  readonly #digest: Digest
  readonly #place: PackedBytes
  readonly #reader: PackedBytesReader

  constructor(digest: Digest, place: PackedBytes, reader: PackedBytesReader) {
    this.sizeBytes = place.sizeBytes
    this.#digest = digest
    this.#place = place
    this.#reader = reader
  }

  open(range: ByteRange | undefined): Uint8Array | Promise<Uint8Array> {
    const bytes = this.#reader.find(this.#digest)
    if (bytes) return cut(bytes, range)
    return this.#reader.read(this.#digest, this.#place).then((read) => cut(read, range))
  }
}

function cut(bytes: Uint8Array, range: ByteRange | undefined): Uint8Array {
  return range ? bytes.subarray(range.first, range.last + 1) : bytes
}

/** A blob of a store on this machine, if there is one. */
export class StoredContent implements Content {
  readonly sizeBytes: number
  readonly #digest: Digest
  readonly #openBlob: OpenBlob | undefined

  constructor(blob: { readonly digest: Digest; readonly sizeBytes: number }, openBlob: OpenBlob | undefined) {
    this.sizeBytes = blob.sizeBytes
    this.#digest = blob.digest
    this.#openBlob = openBlob
  }

  async open(range: ByteRange | undefined): Promise<BlobBody | undefined> {
    // Damaged or cut short: whoever has it whole answers better.
    const body = await this.#openBlob?.(this.#digest, range).catch(() => undefined)
    const expected = range ? range.last - range.first + 1 : this.sizeBytes
    if (!body || body.sizeBytes === expected) return body
    await body[Symbol.asyncDispose]()
    return undefined
  }
}

export const immutable = 'public, max-age=31536000, immutable'

export function etagOf(digest: string): string {
  return `"${digest}"`
}

export function isKnown(ask: Ask, digest: string): boolean {
  const header = ask.header('if-none-match')
  return header !== undefined && ifNoneMatchHits(header, etagOf(digest))
}

type Served = Answer | undefined

/** Undefined when the bytes are not here. Several ranges at once are answered whole, which clients take as `no`. */
export function answerBytes(
  ask: Ask,
  content: Content,
  about: { readonly digest: string; readonly headers: Readonly<Record<string, string>> },
): Served | Promise<Served> {
  const etag = etagOf(about.digest)
  const headers = { ...about.headers, etag, 'accept-ranges': 'bytes', 'cache-control': immutable }
  const { sizeBytes } = content
  if (ask.method === 'HEAD') return { status: 200, headers, contentLength: sizeBytes }
  const range = ask.header('range')
  let part: ByteRange | undefined
  if (range !== undefined) {
    const chosen = chooseRanges(sizeBytes, { range, ifRange: ask.header('if-range'), etag })
    if (chosen === 'unsatisfiable') {
      const unsatisfied = { 'content-range': `bytes */${sizeBytes}`, 'docker-content-digest': about.digest }
      return refuse('RANGE_INVALID', `the blob has ${sizeBytes} bytes`, { headers: unsatisfied })
    }
    if (chosen !== 'all' && chosen.length === 1) part = chosen[0]
  }
  const opened = content.open(part)
  if (opened instanceof Promise) return opened.then((body) => answerOpened(body, part, headers, sizeBytes))
  return answerOpened(opened, part, headers, sizeBytes)
}

function answerOpened(
  body: Uint8Array | BlobBody | undefined,
  part: ByteRange | undefined,
  headers: Readonly<Record<string, string>>,
  sizeBytes: number,
): Served {
  if (!body) return undefined
  if (!part) return { status: 200, headers, body }
  return {
    status: 206,
    headers: { ...headers, 'content-range': `bytes ${part.first}-${part.last}/${sizeBytes}` },
    body,
  }
}
