// A clock that is wrong makes fresh signatures old and old ones fresh: it is told apart from a source that is.

import type { TreeContents } from '#snapshots/tree-contents.ts'
import { ReplicateError } from './replicate-error.ts'

const dayMs = 86_400_000
/** A clock may be this far off before it is called wrong. */
const toleranceMs = dayMs
/** No source is cut off for so long without being noticed. */
const suspiciousMs = 300 * dayMs

/** What the answers of a source say of the time. */
export class SourceClock {
  readonly #nowMs: number
  #saidMs: number | undefined
  #expiresMs: number | undefined

  constructor(nowMs: number) {
    this.#nowMs = nowMs
  }

  /** `date`: the header of an answer. */
  saw(date: string | undefined): void {
    const said = date === undefined ? Number.NaN : Date.parse(date)
    if (!Number.isNaN(said)) this.#saidMs = said
  }

  /** Not verified: only for words. */
  sawTimestamp(bytes: Uint8Array): void {
    try {
      const expires = Date.parse(JSON.parse(Buffer.from(bytes).toString()).signed.expires)
      if (!Number.isNaN(expires)) this.#expiresMs = expires
    } catch {}
  }

  explain(trouble: ReplicateError): ReplicateError {
    if (trouble.reason !== 'expired') return trouble
    const here = new Date(this.#nowMs).toISOString()
    const isOff = this.#saidMs !== undefined && Math.abs(this.#saidMs - this.#nowMs) > toleranceMs
    if (isOff) {
      const there = new Date(this.#saidMs!).toISOString()
      return worded(trouble, `the clock of this machine says ${here}, that of the source ${there}: look at it first`)
    }
    if (this.#expiresMs === undefined || this.#nowMs - this.#expiresMs < suspiciousMs) return trouble
    const days = Math.floor((this.#nowMs - this.#expiresMs) / dayMs)
    return worded(
      trouble,
      `that is ${days} days ago by the clock of this machine, which says ${here}: look at it first`,
    )
  }
}

function worded(trouble: ReplicateError, words: string): ReplicateError {
  return new ReplicateError(trouble.reason, `${trouble.message}; ${words}`, { cause: trouble })
}

/** A clock that is behind takes old signatures for fresh ones: nothing can be told expired by it. */
export function refuseClock({ createdAtMs }: TreeContents, nowMs: number): void {
  if (createdAtMs <= nowMs + toleranceMs) return
  const [here, there] = [new Date(nowMs).toISOString(), new Date(createdAtMs).toISOString()]
  const said = `it says ${here}, the source signed at ${there}; set it and run again`
  throw new ReplicateError('expired', `the clock of this machine seems to be behind: ${said}`)
}
