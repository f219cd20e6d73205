// Files in their order, and those that a source asked to come back for: these again when their time has come, while others go on.

import type { WantedFile } from './arriving-file.ts'
import type { Wait } from './pace.ts'

type PutOff = { readonly file: WantedFile; readonly dueMs: number }

/** So many files may wait; beyond that the order is not gone on with, so that a list of a million does not move into memory. */
const mostWaiting = 1000

export class PutOffFiles {
  readonly #files: AsyncIterator<WantedFile>
  readonly #now: () => number
  readonly #wait: Wait
  readonly #waiting: PutOff[] = []
  readonly #sinceMs = new Map<WantedFile, number>()
  #isDone = false

  constructor(files: AsyncIterator<WantedFile>, now: () => number, wait: Wait) {
    this.#files = files
    this.#now = now
    this.#wait = wait
  }

  /** Undefined: nothing is left that others are not at work on. */
  async next(stop: AbortSignal): Promise<WantedFile | undefined> {
    for (;;) {
      stop.throwIfAborted()
      const due = this.#waiting.findIndex((one) => one.dueMs <= this.#now())
      if (due >= 0) return this.#waiting.splice(due, 1)[0]!.file
      if (!this.#isDone && this.#waiting.length < mostWaiting) {
        const { done, value } = await this.#files.next()
        if (!done) return value
        this.#isDone = true
      }
      if (this.#waiting.length === 0) return undefined
      const dueMs = Math.min(...this.#waiting.map((one) => one.dueMs))
      await this.#wait(Math.max(1, dueMs - this.#now()), stop)
    }
  }

  /** Since when the file has been put off; now, if it has not. */
  sinceMs(file: WantedFile): number {
    return this.#sinceMs.get(file) ?? this.#now()
  }

  putOff(file: WantedFile, forMs: number): void {
    this.#sinceMs.set(file, this.sinceMs(file))
    this.#waiting.push({ file, dueMs: this.#now() + forMs })
  }

  done(file: WantedFile): void {
    this.#sinceMs.delete(file)
  }
}
