// Whole files on their way from parts/ into the tree: made durable, then renamed. Many at once, because the first fsync of a batch
// commits what the others need too (ext4, 10,000 blobs of 70 kB: a third of the time). A part that a power cut spoilt is hashed again
// before it is used, so nothing here has to be remembered.

import { type FileHandle, rename } from 'node:fs/promises'
import { dirname } from 'node:path'
import { makeFolder, publicFileMode } from '#kit/atomic-file.ts'

export type WholeFile = {
  readonly handle: FileHandle
  readonly part: string
  readonly target: string
  readonly sizeBytes: number
}

const batchFiles = 64
const batchBytes = 64 << 20

export class SettleFiles {
  #waiting: WholeFile[] = []
  #bytes = 0
  #settling: Promise<void> = Promise.resolve()
  readonly #folders = new Set<string>()

  /** Takes the handle over. What an earlier file of the batch failed by is thrown here. */
  async add(file: WholeFile): Promise<void> {
    this.#waiting.push(file)
    this.#bytes += file.sizeBytes
    if (this.#waiting.length >= batchFiles || this.#bytes >= batchBytes) await this.settle()
  }

  /** Resolves when all that were added are in their places. */
  settle(): Promise<void> {
    const files = this.#waiting
    this.#waiting = []
    this.#bytes = 0
    const settled = this.#settling.then(() => settleAll(files, this.#folders))
    this.#settling = settled.catch(() => undefined)
    return settled
  }
}

/** `folders`: those that are there. */
async function settleAll(files: readonly WholeFile[], folders: Set<string>): Promise<void> {
  try {
    for (const { handle } of files) {
      await handle.chmod(publicFileMode)
      await handle.sync()
    }
  } finally {
    for (const { handle } of files) await handle.close()
  }
  for (const { part, target } of files) {
    const folder = dirname(target)
    if (!folders.has(folder)) await makeFolder(folder)
    folders.add(folder)
    await rename(part, target)
  }
}
