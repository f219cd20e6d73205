// What was pulled most, for copies that keep only a part: gzipped text, the highest score first, written and read as streams.
//
//   lists/<n>.popular.gz   flotilla-popular 1 <channel> <n> <count> <builtAtMs>
//                          sha256:<hex> <size> <score>             count times, by score descending, then by digest
//
// A score is a whole number, 1 or more: 1000 for a pull of the day, half of that for one of two weeks before. Only its proportion to
// other scores of the same list means anything.
import { type Digest, parseDigest } from '#oci/digest.ts'
import { inChunks, parseWholeNumber, readPackedLines, writePackedText } from './packed-lines.ts'
import { isChannelName } from './tree-path.ts'

export type PopularityHeader = {
  readonly channel: string
  /** 1 or more; rises with every list of the channel. */
  readonly number: number
  readonly count: number
  readonly builtAtMs: number
}
export type PopularityLine = { readonly digest: Digest; readonly sizeBytes: number; readonly score: number }

export class PopularityListRefused extends Error {
  override readonly name = 'PopularityListRefused'
}

const formatVersion = 1
/** Most lines of a list: of a million blobs pulled by Zipf's law (s = 1.1) these are nine pulls in ten. */
export const maxPopularLines = 100_000
/** sha512 digest, two numbers of 16 digits. */
const maxLineBytes = 135 + 2 * 17
/** Unpacked; no list of `maxPopularLines` is longer. */
export const maxPopularBytes = (maxPopularLines + 1) * (maxLineBytes + 1)

/** Writes a list in place atomically; throws, and leaves nothing, unless exactly `count` lines come in order. */
export function writePopularityList(
  path: string,
  header: PopularityHeader,
  lines: AsyncIterable<PopularityLine> | Iterable<PopularityLine>,
): Promise<{ sizeBytes: number; digest: Digest }> {
  return writePackedText(path, inChunks(encodeLines(header, lines)))
}

async function* encodeLines(
  header: PopularityHeader,
  lines: AsyncIterable<PopularityLine> | Iterable<PopularityLine>,
): AsyncGenerator<string> {
  const { channel, number, count, builtAtMs } = header
  const first = `flotilla-popular ${formatVersion} ${channel} ${number} ${count} ${builtAtMs}`
  parseHeader(first)
  yield `${first}\n`
  const order = new ScoreOrder(count)
  for await (const line of lines) {
    order.check(line)
    yield `${line.digest} ${line.sizeBytes} ${line.score}\n`
  }
  order.end()
}

export type PopularityListLimits = {
  /** Unpacked. */
  readonly maxBytes: number
}

/** Reads a list of which channel and number are known from signed metadata. Refuses anything unsorted, doubled, cut short, too long
 *  or of the wrong form; lines given before the refusal were well formed. */
export async function* readPopularityList(
  packed: AsyncIterable<Uint8Array>,
  expected: Pick<PopularityHeader, 'channel' | 'number'>,
  { maxBytes }: PopularityListLimits = { maxBytes: maxPopularBytes },
): AsyncGenerator<PopularityLine> {
  let order: ScoreOrder | undefined
  for await (const text of readPackedLines(packed, { maxBytes, maxLineBytes }, refuse)) {
    if (!order) {
      const { channel, number, count } = parseHeader(text)
      if (channel !== expected.channel || number !== expected.number) refuse('a list of something else')
      order = new ScoreOrder(count)
      continue
    }
    const line = parseLine(text)
    order.check(line)
    yield line
  }
  if (!order) refuse('an empty list')
  order.end()
}

const headerPattern = /^flotilla-popular ([0-9]{1,4}) ([a-z0-9-]{1,32}) ([0-9]{1,15}) ([0-9]{1,15}) ([0-9]{1,15})$/

function parseHeader(text: string): PopularityHeader {
  const match = headerPattern.exec(text)
  if (!match) refuse('no header')
  if (match[1] !== String(formatVersion)) refuse(`format ${match[1]} is not known here: a newer program is needed`)
  const channel = match[2]!
  const [number, count, builtAtMs] = [Number(match[3]), Number(match[4]), Number(match[5])] as const
  if (!isChannelName(channel) || number < 1) refuse('a wrong header')
  if (count > maxPopularLines) refuse(`${count} lines, and at most ${maxPopularLines} are allowed`)
  return { channel, number, count, builtAtMs }
}

function parseLine(text: string): PopularityLine {
  const [digest, size, score, more] = text.split(' ')
  const parsed = parseDigest(digest ?? '')
  const sizeBytes = parseWholeNumber(size)
  const points = parseWholeNumber(score)
  if (!parsed || sizeBytes === undefined || points === undefined || more !== undefined) refuse('a line of a wrong form')
  return { digest: parsed, sizeBytes, score: points }
}

/** By score descending, then by digest; each digest once, as many as promised. */
class ScoreOrder {
  readonly #count: number
  readonly #seen = new Set<string>()
  #last: PopularityLine | undefined

  constructor(count: number) {
    this.#count = count
  }

  check(line: PopularityLine): void {
    const { digest, sizeBytes, score } = line
    const last = this.#last
    if (!Number.isSafeInteger(score) || score < 1) refuse(`${digest} has the score ${score}`)
    if (!Number.isSafeInteger(sizeBytes) || sizeBytes < 0) refuse(`${digest} has no size`)
    if (last && (score > last.score || (score === last.score && digest <= last.digest)))
      refuse(`${digest} is out of order`)
    if (this.#seen.has(digest)) refuse(`${digest} is there twice`)
    this.#seen.add(digest)
    if (this.#seen.size > this.#count) refuse(`more than the ${this.#count} lines its header tells`)
    this.#last = line
  }

  end(): void {
    if (this.#seen.size !== this.#count) refuse(`${this.#seen.size} lines instead of ${this.#count}`)
  }
}

function refuse(detail: string, options?: ErrorOptions): never {
  throw new PopularityListRefused(`the popularity list is refused: ${detail}`, options)
}
