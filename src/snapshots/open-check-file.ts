// One sorted file of block checks, read at places: no more than a few kilobytes of it are ever in memory.

import { constants } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { nameBytes, recordBytes } from './check-record.ts'

/** Records that are read at once: what one read of a disk brings anyway. */
const windowRecords = 64
/** Digests are spread evenly, so that a guess hits near; in a file where they are not, halving takes over. */
const maxGuesses = 6

export class OpenCheckFile implements AsyncDisposable {
  readonly count: number
  readonly #handle: FileHandle

  private constructor(handle: FileHandle, sizeBytes: number) {
    this.#handle = handle
    this.count = sizeBytes / recordBytes
  }

  /** Throws when what lies there is no plain file of this size. */
  static async open(path: string, sizeBytes: number): Promise<OpenCheckFile> {
    const handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW)
    try {
      const found = await handle.stat()
      if (!found.isFile() || found.size !== sizeBytes)
        throw new Error(`${path} is no plain file of ${sizeBytes} bytes: it was damaged or cut short`)
      return new OpenCheckFile(handle, sizeBytes)
    } catch (error) {
      await handle.close()
      throw error
    }
  }

  /** The record of that name. */
  async find(name: Buffer): Promise<Buffer | undefined> {
    const wanted = name.readUIntBE(0, 6)
    let low = 0
    let high = this.count
    let lowName = 0
    let highName = 2 ** 48
    for (let tries = 0; low < high; tries++) {
      const share = tries < maxGuesses ? (wanted - lowName) / (highName - lowName || 1) : 0.5
      const guess = low + Math.floor(share * (high - low)) - (windowRecords >> 1)
      const from = Math.max(low, Math.min(guess, high - windowRecords))
      const records = await this.read(from, Math.min(windowRecords, high - from))
      const first = records.subarray(0, nameBytes)
      const last = records.subarray(records.length - recordBytes, records.length - recordBytes + nameBytes)
      if (name.compare(first) < 0) {
        high = from
        highName = first.readUIntBE(0, 6)
      } else if (name.compare(last) > 0) {
        low = from + records.length / recordBytes
        lowName = last.readUIntBE(0, 6)
      } else return findAmong(records, name)
    }
    return undefined
  }

  /** Whole records from the one at `from`. */
  async read(from: number, count: number): Promise<Buffer> {
    const buffer = Buffer.allocUnsafe(count * recordBytes)
    for (let at = 0; at < buffer.length; ) {
      const { bytesRead } = await this.#handle.read(buffer, at, buffer.length - at, from * recordBytes + at)
      if (bytesRead === 0) throw new Error('a file of block checks became shorter while it was read')
      at += bytesRead
    }
    return buffer
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#handle.close()
  }
}

function findAmong(records: Buffer, name: Buffer): Buffer | undefined {
  let low = 0
  let high = records.length / recordBytes - 1
  while (low <= high) {
    const middle = (low + high) >> 1
    const record = records.subarray(middle * recordBytes, (middle + 1) * recordBytes)
    const order = name.compare(record.subarray(0, nameBytes))
    if (order === 0) return record
    if (order < 0) high = middle - 1
    else low = middle + 1
  }
  return undefined
}
