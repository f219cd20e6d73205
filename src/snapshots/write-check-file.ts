// Writes a file of block checks: new records, and those of older files merged in. Reads and writes in pieces, whatever the size.

import { createHash, randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { writeFileAtomically } from '#kit/atomic-file.ts'
import { makeDigest } from '#oci/digest.ts'
import { type CheckFile, checkFolderName } from './check-files.ts'
import { nameBytes, recordBytes } from './check-record.ts'
import { OpenCheckFile } from './open-check-file.ts'

const pieceRecords = 256

/** An older file is not what it was: all are to be made anew from the catalogue. */
export class CheckFileDamaged extends Error {
  override readonly name = 'CheckFileDamaged'
}

/** `folder`: where block-checks.json lies. Of records with one name that of the later file counts, those of `added` most. */
export async function writeCheckFile(
  folder: string,
  older: readonly CheckFile[],
  added: readonly Buffer[],
): Promise<CheckFile> {
  await using stack = new AsyncDisposableStack()
  const sources: RecordSource[] = []
  for (const file of older) sources.push(stack.use(await FileRecords.open(folder, file)))
  sources.push(new ListedRecords(added))
  const path = `${checkFolderName}/${randomBytes(16).toString('hex')}`
  const written = await writeFileAtomically(join(folder, path), async (handle) => {
    const hash = createHash('sha256')
    let sizeBytes = 0
    for await (const piece of inPieces(merged(sources))) {
      hash.update(piece)
      sizeBytes += piece.length
      await handle.writeFile(piece)
    }
    return { sizeBytes, digest: makeDigest('sha256', hash.digest('hex')) }
  })
  return { path, ...written }
}

type RecordSource = {
  /** The first record that was not taken yet; stays good until the next `advance`. */
  readonly head: Buffer | undefined
  advance(): void | Promise<void>
}

const byName = (a: Buffer, b: Buffer) => a.compare(b, 0, nameBytes, 0, nameBytes)

class ListedRecords implements RecordSource {
  readonly #records: readonly Buffer[]
  #at = 0

  constructor(records: readonly Buffer[]) {
    this.#records = records.toSorted(byName)
  }

  get head(): Buffer | undefined {
    return this.#records[this.#at]
  }

  advance(): void {
    this.#at++
  }
}

class FileRecords implements RecordSource, AsyncDisposable {
  readonly #file: CheckFile
  readonly #opened: OpenCheckFile
  readonly #hash = createHash('sha256')
  #piece: Buffer = Buffer.alloc(0)
  #nextPiece = 0
  #at = 0
  head: Buffer | undefined

  private constructor(file: CheckFile, opened: OpenCheckFile) {
    this.#file = file
    this.#opened = opened
  }

  static async open(folder: string, file: CheckFile): Promise<FileRecords> {
    const opened = await OpenCheckFile.open(join(folder, file.path), file.sizeBytes).catch((error) => {
      throw new CheckFileDamaged(`${file.path} cannot be read`, { cause: error })
    })
    const records = new FileRecords(file, opened)
    await records.advance()
    return records
  }

  advance(): void | Promise<void> {
    if (this.#at >= this.#piece.length) return this.#readOn()
    this.#take()
  }

  #take(): void {
    this.head = this.#piece.subarray(this.#at, this.#at + recordBytes)
    this.#at += recordBytes
  }

  async #readOn(): Promise<void> {
    const { count } = this.#opened
    if (this.#nextPiece >= count) {
      this.head = undefined
      if (makeDigest('sha256', this.#hash.digest('hex')) !== this.#file.digest)
        throw new CheckFileDamaged(`${this.#file.path} is not what was written`)
      return
    }
    this.#piece = await this.#opened.read(this.#nextPiece, Math.min(pieceRecords, count - this.#nextPiece))
    this.#hash.update(this.#piece)
    this.#nextPiece += pieceRecords
    this.#at = 0
    this.#take()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#opened[Symbol.asyncDispose]()
  }
}

/** In order of name, each name once. */
async function* merged(sources: readonly RecordSource[]): AsyncGenerator<Buffer> {
  for (;;) {
    let first: Buffer | undefined
    for (const { head } of sources) if (head && (!first || byName(head, first) <= 0)) first = head
    if (!first) return
    // Advancing reads over it.
    const record = Buffer.from(first)
    for (const source of sources) while (source.head && byName(source.head, record) === 0) await source.advance()
    yield record
  }
}

async function* inPieces(records: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let waiting: Buffer[] = []
  for await (const record of records) {
    waiting.push(record)
    if (waiting.length < pieceRecords) continue
    yield Buffer.concat(waiting)
    waiting = []
  }
  if (waiting.length > 0) yield Buffer.concat(waiting)
}
