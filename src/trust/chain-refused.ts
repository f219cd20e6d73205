// Why a chain of metadata was not taken, in the reader's words.

import { PersistError } from 'tuf-js/dist/error.js'

/** unsigned: not by the keys that the root names, or by too few; expired: the source may be cut off or hold news back, or the clock
 *  here is wrong; backwards: older than what was seen; mixed: parts of two states; malformed: not metadata, or too large;
 *  other-channel; missing: the source lacks a file that it names; folder: what was kept here is damaged. */
export type ChainReason =
  | 'unsigned'
  | 'expired'
  | 'backwards'
  | 'mixed'
  | 'malformed'
  | 'other-channel'
  | 'missing'
  | 'folder'

export class ChainRefused extends Error {
  override readonly name = 'ChainRefused'
  readonly reason: ChainReason
  constructor(reason: ChainReason, message: string, options?: ErrorOptions) {
    super(message, options)
    this.reason = reason
  }
}

// tuf-js wraps its errors into text below the timestamp: what it says is told apart by its words.
const table: readonly (readonly [RegExp, ChainReason, string])[] = [
  [
    /is expired/,
    'expired',
    'the source is cut off from the publisher or holds news back, or the clock of this machine is wrong',
  ],
  [
    /was signed by \d+\/\d+ keys|no signature for key|failed to verify/,
    'unsigned',
    'these are not the keys that are trusted here',
  ],
  [/is less than current version/, 'backwards', 'something newer was seen before'],
  [/Expected version/, 'mixed', 'a root of the chain stands in the place of another'],
  [
    /does not match snapshot version|doesn't match timestamp|Expected hash|Expected length|hash|Missing file|Missing \w+\.json/i,
    'mixed',
    'its parts do not belong together',
  ],
  [/Max length|too large/, 'malformed', 'it is larger than metadata may be'],
]

const shownLength = 500

/** What is no refusal, as a full disk, comes back as it is. */
export function explainRefusal(error: unknown, scratch: string): unknown {
  if (error instanceof PersistError || typeof (error as NodeJS.ErrnoException).code === 'string') return error
  const text = (error as Error).message
    .replaceAll(scratch, '')
    .replace(/^Unable to load (\w+)( metadata)? error (\w*Error: )?/, '$1: ')
    .slice(0, shownLength)
  for (const [pattern, reason, advice] of table) {
    if (pattern.test(text))
      return new ChainRefused(reason, `the signed metadata are refused: ${text}; ${advice}`, { cause: error })
  }
  return new ChainRefused('malformed', `the signed metadata are refused: ${text}`, { cause: error })
}
