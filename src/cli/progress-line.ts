// One line on a terminal that shows how far copying is.

import { Presets, SingleBar } from 'cli-progress'
import { byteText } from './print.ts'

export type ProgressStep = {
  readonly phase: string
  readonly files: number
  readonly totalFiles: number
  readonly bytes: number
  readonly totalBytes: number
}

export class ProgressLine {
  readonly #bar = new SingleBar(
    {
      format: '{phase} [{bar}] {done} of {all}, {files}/{totalFiles} files, {eta_formatted} left',
      stream: process.stderr,
    },
    Presets.rect,
  )
  #isStarted = false

  show(step: ProgressStep): void {
    const { phase, files, totalFiles } = step
    const shown = { phase, files, totalFiles, done: byteText(step.bytes), all: byteText(step.totalBytes) }
    if (!this.#isStarted) this.#bar.start(step.totalBytes, step.bytes, shown)
    this.#isStarted = true
    this.#bar.setTotal(step.totalBytes)
    this.#bar.update(step.bytes, shown)
  }

  end(): void {
    if (this.#isStarted) this.#bar.stop()
  }
}
