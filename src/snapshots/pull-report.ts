// What a front door of its own process leaves for the worker: how often which blob was pulled. Plain text, small, read whole.
//
//   flotilla-pulls 1 <channel> <day> <count>
//   sha256:<hex> <pulls>                     count times
//
// The day is counted from 1970-01-01 in UTC.
import { parseDigest } from '#oci/digest.ts'
import { parseWholeNumber } from './packed-lines.ts'
import { isChannelName } from './tree-path.ts'

export type PullReport = {
  readonly channel: string
  readonly day: number
  readonly counts: ReadonlyMap<string, number>
}

export class PullReportRefused extends Error {
  override readonly name = 'PullReportRefused'
}

const formatVersion = 1
/** A report of as many blobs as a front door keeps until it hands them over has 3 MB at most. */
export const maxPullReportBytes = 8 * 1024 * 1024
/** In one report, which is of seconds: more is no count. */
const maxPulls = 1_000_000_000

export function encodePullReport({ channel, day, counts }: PullReport): string {
  let text = `flotilla-pulls ${formatVersion} ${channel} ${day} ${counts.size}\n`
  for (const [digest, pulls] of counts) text += `${digest} ${pulls}\n`
  return text
}

const headerPattern = /^flotilla-pulls ([0-9]{1,4}) ([a-z0-9-]{1,32}) ([0-9]{1,6}) ([0-9]{1,9})$/

/** Refuses what is cut short, too long, doubled, or of the wrong form: all of it counts or none. */
export function parsePullReport(text: string): PullReport {
  if (text.length > maxPullReportBytes) refuse(`longer than ${maxPullReportBytes} bytes`)
  const lines = text.split('\n')
  if (lines.pop() !== '') refuse('the last line is cut short')
  const match = headerPattern.exec(lines.shift() ?? '')
  if (!match) refuse('no header')
  if (match[1] !== String(formatVersion)) refuse(`format ${match[1]} is not known here: a newer program is needed`)
  const channel = match[2]!
  if (!isChannelName(channel)) refuse('a wrong header')
  if (lines.length !== Number(match[4])) refuse(`${lines.length} lines instead of ${match[4]}`)
  const counts = new Map<string, number>()
  for (const line of lines) {
    const [text, number, more] = line.split(' ')
    const digest = parseDigest(text ?? '')
    const pulls = parseWholeNumber(number)
    if (!digest || !pulls || pulls > maxPulls || more !== undefined) refuse('a line of a wrong form')
    if (counts.has(digest)) refuse(`${digest} is there twice`)
    counts.set(digest, pulls)
  }
  return { channel, day: Number(match[3]), counts }
}

function refuse(detail: string): never {
  throw new PullReportRefused(`the report of pulls is refused: ${detail}`)
}
