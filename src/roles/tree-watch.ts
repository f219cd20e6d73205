// How a tree that is followed stands: why its news are refused, if they are, and until when its timestamp is good. One cause is told
// once, and again at intervals while it lasts, not at each look.

import { PackRefused } from '#snapshots/pack-record.ts'
import { FileUnlike } from '#snapshots/snapshot-source.ts'
import { ContentsRefused } from '#snapshots/tree-contents.ts'
import { type ChainReason, ChainRefused } from '#trust/chain-refused.ts'

/** As ChainReason; contents: well signed, but it cannot be; pack: a file of the catalogue is damaged or not there; unreadable: the
 *  folder, or the machine. */
export type TreeReason = ChainReason | 'contents' | 'pack' | 'unreadable'

export type TreeTold = { readonly reason: TreeReason; readonly message: string; readonly advice: string }

export type TreeWatchOptions = {
  /** When the timestamp that was verified last expires. */
  readonly expiresAtMs: () => number | undefined
  readonly now: () => number
  readonly tellAgainMs: number
  /** Undefined: it is taken again. */
  readonly tell: (what: TreeTold | undefined) => void
}

const brokenCopy = 'run flotilla replicate --check, which replaces what is damaged'
const brokenTrust = 'ask the operator of the origin before anything is deleted here'
const late = 'see whether flotilla replicate runs, and whether the clock of this machine is right'
const advices: Readonly<Record<TreeReason, string>> = {
  unsigned: brokenTrust,
  backwards: brokenTrust,
  'other-channel': brokenTrust,
  contents: brokenTrust,
  expired: late,
  mixed: 'a copy is under way or was cut off; let flotilla replicate finish',
  missing: 'a copy is under way or was cut off; let flotilla replicate finish',
  malformed: brokenCopy,
  pack: brokenCopy,
  folder: 'look at the data folder',
  unreadable: 'look at the disk, the folder and its rights',
}

export class TreeWatch {
  readonly #options: TreeWatchOptions
  #told: TreeTold | undefined
  #toldAtMs = 0

  constructor(options: TreeWatchOptions) {
    this.#options = options
  }

  /** Why the newest that lies there was not taken; undefined: it was. */
  get refused(): TreeTold | undefined {
    return this.#told
  }

  get expiresAtMs(): number | undefined {
    return this.#options.expiresAtMs()
  }

  /** Throws what `step` throws, after it was noted; but to be out of date is no failure to look: the next look is not put off. */
  async look(step: () => Promise<void>): Promise<void> {
    try {
      await step()
    } catch (error) {
      const reason = reasonOf(error)
      this.#note({ reason, message: (error as Error).message, advice: advices[reason] })
      if (reason !== 'expired') throw error
      return
    }
    if (this.#told) this.#options.tell(undefined)
    this.#told = undefined
  }

  #note(cause: TreeTold): void {
    const { now, tellAgainMs, tell } = this.#options
    const isKnown = this.#told?.reason === cause.reason && this.#told.message === cause.message
    this.#told = cause
    if (isKnown && now() - this.#toldAtMs < tellAgainMs) return
    this.#toldAtMs = now()
    tell(cause)
  }
}

function reasonOf(error: unknown): TreeReason {
  if (error instanceof ChainRefused) return error.reason
  if (error instanceof ContentsRefused) return 'contents'
  const isMissing = (error as NodeJS.ErrnoException).code === 'ENOENT'
  return error instanceof PackRefused || error instanceof FileUnlike || isMissing ? 'pack' : 'unreadable'
}
