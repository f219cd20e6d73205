// Why a chain of metadata was not taken, in the reader's words.

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

// tuf-js does not export its error classes and wraps some of them into text: what it says is told apart by its words.
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
  [/is less than current version|Expected version/, 'backwards', 'something newer was seen before'],
  [
    /does not match snapshot version|doesn't match timestamp|Expected hash|Expected length|hash/i,
    'mixed',
    'its parts do not belong together',
  ],
  [/Max length|too large/, 'malformed', 'it is larger than metadata may be'],
]

export function explainRefusal(error: unknown, scratch: string): ChainRefused {
  const text = (error as Error).message
    .replaceAll(scratch, '')
    .replace(/^Unable to load (\w+)( metadata)? error (\w*Error: )?/, '$1: ')
  for (const [pattern, reason, advice] of table) {
    if (pattern.test(text))
      return new ChainRefused(reason, `the signed metadata are refused: ${text}; ${advice}`, { cause: error })
  }
  return new ChainRefused('malformed', `the signed metadata are refused: ${text}`, { cause: error })
}
