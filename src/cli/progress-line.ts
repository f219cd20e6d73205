// One line on a terminal that shows how far copying is, or for what it waits.

import { Format, type Options, type Params, Presets, SingleBar } from 'cli-progress'
import { byteText } from '#kit/byte-text.ts'

export type ProgressStep = {
  readonly phase: string
  readonly files: number
  readonly totalFiles: number
  readonly bytes: number
  readonly totalBytes: number
}

type Shown = Pick<ProgressStep, 'phase' | 'files' | 'totalFiles'> & {
  readonly done: string
  readonly all: string
  /** For how long the source wants to be left alone. */
  readonly waiting?: string
}

export class ProgressLine {
  readonly #bar = new SingleBar({ format: formatLine, stream: process.stderr }, Presets.rect)
  #shown: Shown | undefined

  show(step: ProgressStep): void {
    const { phase, files, totalFiles } = step
    const shown = { phase, files, totalFiles, done: byteText(step.bytes), all: byteText(step.totalBytes) }
    if (!this.#shown) this.#bar.start(step.totalBytes, step.bytes, shown)
    this.#shown = shown
    this.#bar.setTotal(step.totalBytes)
    this.#bar.update(step.bytes, { ...shown, waiting: undefined })
  }

  wait(ms: number): void {
    if (this.#shown) this.#bar.update({ ...this.#shown, waiting: secondsText(ms) })
  }

  end(): void {
    if (this.#shown) this.#bar.stop()
  }
}

/** Whole seconds, as sources give them. */
export function secondsText(ms: number): string {
  return `${Math.max(1, Math.round(ms / 1000))} s`
}

function formatLine(options: Options, params: Params, shown: Shown): string {
  const bar = Format.BarFormat(params.progress, options)
  const left = `${Format.TimeFormat(params.eta, options, 5)} left`
  const rest = shown.waiting ? `source busy, again in ${shown.waiting}` : left
  const { phase, done, all, files, totalFiles } = shown
  return `${phase} [${bar}] ${done} of ${all}, ${files}/${totalFiles} files, ${rest}`
}
