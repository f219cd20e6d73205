// How far a run is, counted over all of its steps; each step sets what it expects.

export type Progress = {
  /** lists; look: comparing with what is here; blobs; packs; check: reading what is here; done. */
  readonly phase: 'lists' | 'look' | 'blobs' | 'packs' | 'check' | 'done'
  readonly files: number
  /** 0 while it is not known. */
  readonly totalFiles: number
  readonly bytes: number
  readonly totalBytes: number
}

export class ProgressMeter {
  #now: Progress = { phase: 'lists', files: 0, totalFiles: 0, bytes: 0, totalBytes: 0 }
  readonly #onProgress: (progress: Progress) => void

  constructor(onProgress: (progress: Progress) => void) {
    this.#onProgress = onProgress
  }

  get files(): number {
    return this.#now.files
  }

  get bytes(): number {
    return this.#now.bytes
  }

  enter(phase: Progress['phase'], more: { readonly files: number; readonly bytes: number }): void {
    const { totalFiles, totalBytes } = this.#now
    this.#now = { ...this.#now, phase, totalFiles: totalFiles + more.files, totalBytes: totalBytes + more.bytes }
    this.#onProgress(this.#now)
  }

  add(files: number, bytes: number): void {
    this.#now = { ...this.#now, files: this.#now.files + files, bytes: this.#now.bytes + bytes }
    this.#onProgress(this.#now)
  }
}
