// The lists of blobs that hosts copy by: gzipped text, sorted by digest, written and read as streams.
//
//   lists/<n>.gz       flotilla-list 1 <channel> 0 <n> <count>
//                      sha256:<hex> <size> <generation>            <count> times
//   lists/<a>-<b>.gz   flotilla-list 1 <channel> <a> <b> <count>
//                      + sha256:<hex> <size> <generation>          came, or came back
//                      - sha256:<hex> <size> <generation>          left
//
// The generation of a line is the first whose tree carries the blob. A list of changes names every blob that came or left in any
// generation after <a> up to <b>, as it is at <b>, so it may be read by whoever holds any generation from <a> on and before <b>: what
// it adds may be there already, and what it takes away may never have been.

import { type Digest, parseDigest } from '#oci/digest.ts'
import { inChunks, parseWholeNumber, readPackedLines, writePackedText } from './packed-lines.ts'
import { isChannelName } from './tree-path.ts'

export type BlobListHeader = {
  readonly channel: string
  /** 0: the whole list at `to`; else the changes since. */
  readonly from: number
  readonly to: number
  readonly count: number
}

export type ListedBlob = { readonly digest: Digest; readonly sizeBytes: number; readonly generation: number }
export type BlobListLine = ListedBlob & { readonly sign: '' | '+' | '-' }

const formatVersion = 1
/** Sign, sha512 digest, two numbers of 16 digits. */
const maxLineBytes = 2 + 135 + 2 * 17

export class BlobListRefused extends Error {
  override readonly name = 'BlobListRefused'
}

/** Writes a list in place atomically; throws, and leaves nothing, unless exactly `count` sorted lines come. */
export function writeBlobList(
  path: string,
  header: BlobListHeader,
  lines: AsyncIterable<BlobListLine> | Iterable<BlobListLine>,
): Promise<{ sizeBytes: number; digest: Digest }> {
  return writePackedText(path, inChunks(encodeLines(header, lines)))
}

async function* encodeLines(header: BlobListHeader, lines: AsyncIterable<BlobListLine> | Iterable<BlobListLine>) {
  const { channel, from, to, count } = header
  const first = `flotilla-list ${formatVersion} ${channel} ${from} ${to} ${count}`
  parseHeader(first)
  yield `${first}\n`
  const order = new LineOrder(header)
  for await (const line of lines) {
    order.check(line)
    yield encodeLine(line)
  }
  order.end()
}

function encodeLine({ sign, digest, sizeBytes, generation }: BlobListLine): string {
  return `${sign}${sign && ' '}${digest} ${sizeBytes} ${generation}\n`
}

export type BlobListLimits = {
  /** Unpacked; a list that is longer is refused, so that a small file cannot fill memory or time. */
  readonly maxBytes: number
}

/** Reads a list; what it is of has to be known before (`expected` comes from the signed targets). Refuses anything unsorted,
 *  doubled, cut short, too long or of the wrong form; lines given before the refusal were well formed. */
export async function* readBlobList(
  packed: AsyncIterable<Uint8Array>,
  expected: Omit<BlobListHeader, 'count'>,
  limits: BlobListLimits,
): AsyncGenerator<BlobListLine> {
  let order: LineOrder | undefined
  for await (const text of readPackedLines(packed, { ...limits, maxLineBytes }, refuse)) {
    if (!order) {
      const header = parseHeader(text)
      const { channel, from, to } = expected
      if (header.channel !== channel || header.from !== from || header.to !== to) refuse('a list of something else')
      order = new LineOrder(header)
      continue
    }
    const line = parseLine(text, expected.from > 0)
    order.check(line)
    yield line
  }
  if (!order) refuse('an empty list')
  order.end()
}

const headerPattern = /^flotilla-list ([0-9]{1,4}) ([a-z0-9-]{1,32}) ([0-9]{1,15}) ([0-9]{1,15}) ([0-9]{1,15})$/

function parseHeader(text: string): BlobListHeader {
  const match = headerPattern.exec(text)
  if (!match) refuse('no header')
  if (match[1] !== String(formatVersion)) refuse(`format ${match[1]} is not known here: a newer program is needed`)
  const channel = match[2]!
  const [from, to, count] = [Number(match[3]), Number(match[4]), Number(match[5])] as const
  if (!isChannelName(channel) || from >= to) refuse('a wrong header')
  return { channel, from, to, count }
}

function parseLine(text: string, isDelta: boolean): BlobListLine {
  const sign = isDelta ? text[0] : ''
  if (sign !== '' && sign !== '+' && sign !== '-') refuse('a line without its sign')
  if (isDelta && text[1] !== ' ') refuse('a line without its sign')
  const [digest, size, generation, more] = (isDelta ? text.slice(2) : text).split(' ')
  const parsed = parseDigest(digest ?? '')
  const sizeBytes = parseWholeNumber(size)
  const since = parseWholeNumber(generation)
  if (!parsed || sizeBytes === undefined || since === undefined || more !== undefined) refuse('a line of a wrong form')
  return { sign, digest: parsed, sizeBytes, generation: since }
}

/** Sorted, each digest once, as many as promised, none of a later generation. */
class LineOrder {
  readonly #header: BlobListHeader
  #last = ''
  #count = 0

  constructor(header: BlobListHeader) {
    this.#header = header
  }

  check(line: BlobListLine): void {
    const { from, to, count } = this.#header
    if (line.digest <= this.#last) refuse(`${line.digest} is out of order`)
    if ((line.sign === '') !== (from === 0)) refuse('a whole list has no signs, a delta only signed lines')
    if (!(line.generation >= 1 && line.generation <= to)) refuse(`${line.digest} has generation ${line.generation}`)
    if (!Number.isSafeInteger(line.sizeBytes) || line.sizeBytes < 0) refuse(`${line.digest} has no size`)
    if (++this.#count > count) refuse(`more than the ${count} lines its header tells`)
    this.#last = line.digest
  }

  end(): void {
    if (this.#count !== this.#header.count) refuse(`${this.#count} lines instead of ${this.#header.count}`)
  }
}

function refuse(detail: string, options?: ErrorOptions): never {
  throw new BlobListRefused(`the blob list is refused: ${detail}`, options)
}
