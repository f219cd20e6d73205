// The files of block checks of a channel on disk. New records become a file of their own; files that lie side by side become one when
// the older is no larger than what came after it, so that a million blobs are a score of files, and one more blob rewrites next to nothing.

import { readdir, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { makeFolder, writeFileAtomically } from '#kit/atomic-file.ts'
import { findFileBytes } from '#kit/find-file-bytes.ts'
import {
  type CheckFile,
  type CheckFiles,
  CheckFilesRefused,
  checkFilesName,
  checkFolderName,
  noCheckFiles,
  parseCheckFiles,
} from '#snapshots/check-files.ts'
import { recordBytes } from '#snapshots/check-record.ts'
import { writeCheckFile } from '#snapshots/write-check-file.ts'

/** Files that are not named any more, or not yet, are left alone for so long: somebody may be fetching them. */
const graceMs = 3_600_000

export class CheckFolder {
  readonly empty: CheckFiles
  readonly #folder: string
  readonly #now: () => number
  readonly #onRefused: (error: Error) => void

  /** `onRefused`: what lies there cannot be read, and everything is written anew. */
  constructor(
    folder: string,
    about: { readonly channel: string; readonly keyId: string },
    { now, onRefused }: { readonly now: () => number; readonly onRefused: (error: Error) => void },
  ) {
    this.#folder = folder
    this.#now = now
    this.#onRefused = onRefused
    this.empty = noCheckFiles(about.channel, about.keyId)
  }

  /** What the last run left; nothing, when it was made with another key or is not what we write. */
  async load(): Promise<CheckFiles> {
    await makeFolder(join(this.#folder, checkFolderName))
    const bytes = await findFileBytes(join(this.#folder, checkFilesName))
    if (!bytes) return this.empty
    try {
      const state = parseCheckFiles(bytes, this.empty.channel)
      return state.keyId === this.empty.keyId ? state : this.empty
    } catch (error) {
      if (!(error instanceof CheckFilesRefused)) throw error
      this.#onRefused(error)
      return this.empty
    }
  }

  /** The files first, then the document that names them: a kill in between leaves what was before. Throws CheckFileDamaged. */
  async add(state: CheckFiles, records: readonly Buffer[]): Promise<CheckFiles> {
    const next = records.length === 0 ? state : { ...state, files: await this.#withRecords(state.files, records) }
    await writeFileAtomically(join(this.#folder, checkFilesName), JSON.stringify(next))
    await this.#sweep(next)
    return next
  }

  async #withRecords(files: readonly CheckFile[], records: readonly Buffer[]): Promise<CheckFile[]> {
    let kept = files.length
    let bytes = records.length * recordBytes
    while (kept > 0 && files[kept - 1]!.sizeBytes <= bytes) bytes += files[--kept]!.sizeBytes
    return [...files.slice(0, kept), await writeCheckFile(this.#folder, files.slice(kept), records)]
  }

  async #sweep({ files }: CheckFiles): Promise<void> {
    const named = new Set(files.map(({ path }) => path))
    for (const name of await readdir(join(this.#folder, checkFolderName))) {
      const path = `${checkFolderName}/${name}`
      if (named.has(path)) continue
      const found = await stat(join(this.#folder, path)).catch(() => undefined)
      if (found && this.#now() - found.mtimeMs > graceMs) await rm(join(this.#folder, path), { force: true })
    }
  }
}
