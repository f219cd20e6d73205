// One line on a terminal that shows how far copying is.

import { Presets, SingleBar } from 'cli-progress'

export type ProgressStep = {
  readonly phase: string
  readonly files: number
  readonly totalFiles: number
  readonly bytes: number
  readonly totalBytes: number
}

export function formatBytes(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB']
  const power = Math.min(units.length - 1, Math.floor(Math.log2(Math.max(1, bytes)) / 10))
  const value = bytes / 1024 ** power
  return `${power === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[power]}`
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
    const shown = { phase, files, totalFiles, done: formatBytes(step.bytes), all: formatBytes(step.totalBytes) }
    if (!this.#isStarted) this.#bar.start(step.totalBytes, step.bytes, shown)
    this.#isStarted = true
    this.#bar.setTotal(step.totalBytes)
    this.#bar.update(step.bytes, shown)
  }

  end(): void {
    if (this.#isStarted) this.#bar.stop()
  }
}
