// What a front door leaves for the catalogue every few seconds: how often which blob was pulled, and who was answered what. Plain
// text, small, read whole.
//
//   flotilla-pulls 2 <channel> <source> <sequence> <time> <blobs> <rows>
//   sha256:<hex> <pulls>                     blobs times
//   <kind> <subject> <number>...             rows times, the numbers in the order of `measures`
//
// The time is in ms. A source numbers its reports 1, 2, 3...: what is handed over twice is taken once.
import { parseDigest } from '#oci/digest.ts'
import { parseWholeNumber } from './packed-lines.ts'
import { isSubject, measures, type StatisticsRow, type SubjectKind, subjectKinds } from './statistics.ts'
import { isChannelName } from './tree-path.ts'

export type PullReport = {
  readonly channel: string
  /** One run of one front door: 32 hex digits, drawn. */
  readonly source: string
  readonly sequence: number
  readonly atMs: number
  readonly counts: ReadonlyMap<string, number>
  readonly statistics: readonly StatisticsRow[]
}

export class PullReportRefused extends Error {
  override readonly name = 'PullReportRefused'
}

const formatVersion = 2
/** A report of as many blobs and names as a front door keeps until it hands them over has 6 MB at most. */
export const maxPullReportBytes = 8 * 1024 * 1024
/** In one report, which is of seconds: more is no count. */
const maxPulls = 1_000_000_000
const maxValue = 10 ** 15

export function encodePullReport({ channel, source, sequence, atMs, counts, statistics }: PullReport): string {
  const header = [channel, source, sequence, atMs, counts.size, statistics.length].join(' ')
  let text = `flotilla-pulls ${formatVersion} ${header}\n`
  for (const [digest, pulls] of counts) text += `${digest} ${pulls}\n`
  for (const { kind, subject, values } of statistics) text += `${kind} ${subject} ${values.join(' ')}\n`
  return text
}

const headerPattern =
  /^flotilla-pulls 2 ([a-z0-9-]{1,32}) ([0-9a-f]{32}) ([1-9][0-9]{0,14}) ([0-9]{1,15}) ([0-9]{1,9}) ([0-9]{1,9})$/

/** Refuses what is cut short, too long, doubled, or of the wrong form: all of it counts or none. */
export function parsePullReport(text: string): PullReport {
  if (text.length > maxPullReportBytes) refuse(`longer than ${maxPullReportBytes} bytes`)
  const lines = text.split('\n')
  if (lines.pop() !== '') refuse('the last line is cut short')
  const header = lines.shift() ?? ''
  const version = /^flotilla-pulls ([0-9]{1,4}) /.exec(header)?.[1]
  if (version === undefined) refuse('no header')
  if (version !== String(formatVersion))
    refuse(`format ${version} is not known here: the front door and this program are of different ages`)
  const [, channel, source, sequence, atMs, blobs, rows] = headerPattern.exec(header) ?? refuse('a wrong header')
  if (!isChannelName(channel!)) refuse('a wrong header')
  const wanted = Number(blobs) + Number(rows)
  if (lines.length !== wanted) refuse(`${lines.length} lines instead of ${wanted}`)
  return {
    channel: channel!,
    source: source!,
    sequence: Number(sequence),
    atMs: Number(atMs),
    counts: parseCounts(lines.slice(0, Number(blobs))),
    statistics: parseRows(lines.slice(Number(blobs))),
  }
}

function parseCounts(lines: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>()
  for (const line of lines) {
    const [text, number, more] = line.split(' ')
    const digest = parseDigest(text ?? '')
    const pulls = parseWholeNumber(number)
    if (!digest || !pulls || pulls > maxPulls || more !== undefined) refuse('a line of a wrong form')
    if (counts.has(digest)) refuse(`${digest} is there twice`)
    counts.set(digest, pulls)
  }
  return counts
}

function parseRows(lines: readonly string[]): StatisticsRow[] {
  const seen = new Set<string>()
  return lines.map((line) => {
    const [kind, subject = '', ...numbers] = line.split(' ')
    const values = numbers.map(parseValue)
    const isWhole =
      subjectKinds.includes(kind as SubjectKind) && isSubject(subject) && values.length === measures.length
    if (!isWhole || values.includes(-1)) refuse('a row of a wrong form')
    if (seen.size === seen.add(`${kind} ${subject}`).size) refuse(`${kind} ${subject} is there twice`)
    return { kind: kind as SubjectKind, subject, values }
  })
}

/** -1: no count. */
function parseValue(text: string): number {
  const value = /^(?:0|[1-9][0-9]{0,15})$/.test(text) ? Number(text) : -1
  return value <= maxValue ? value : -1
}

function refuse(detail: string): never {
  throw new PullReportRefused(`the report of pulls is refused: ${detail}`)
}
