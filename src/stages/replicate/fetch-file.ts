// One file of the tree, from the source to its place: hashed while it streams into a part file, resumed by Range after any
// interruption (a kill too), and renamed into place only when size and digest are right.

import { createHash, type Hash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { type FileHandle, open, rename, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { makeFolder, publicFileMode } from '#kit/atomic-file.ts'
import { algorithmOf, type Digest, hexOf } from '#oci/digest.ts'
import type { Pace } from './pace.ts'
import { isDiskFull, ReplicateError } from './replicate-error.ts'
import { type SourceAnswer, SourceInterrupted, type TreeSource } from './tree-source.ts'

export type WantedFile = { readonly path: string; readonly sizeBytes: number; readonly digest: Digest }

export type FetchTools = {
  readonly source: TreeSource
  /** The tree's folder, and where its unfinished files lie: on the same file system. */
  readonly folder: string
  readonly partsFolder: string
  /** Attempts in a row that may bring nothing before the file is given up. */
  readonly tries: number
  readonly pause: (attempt: number, stop: AbortSignal) => Promise<void>
  readonly stop: AbortSignal
  readonly pace: Pace
  /** Bytes that count as fetched; negative when they turned out to be worth nothing. */
  readonly onBytes: (bytes: number) => void
}

/** An attempt that brought this much was worth it: the count of attempts begins anew. */
const worthwhileBytes = 1 << 20

export async function fetchFile(file: WantedFile, tools: FetchTools): Promise<void> {
  const part = join(tools.partsFolder, `${algorithmOf(file.digest)}-${hexOf(file.digest)}`)
  let counted = 0
  const report = (sizeBytes: number) => {
    tools.onBytes(sizeBytes - counted)
    counted = sizeBytes
  }
  let spoilt = 0
  for (let attempt = 1; ; attempt++) {
    tools.stop.throwIfAborted()
    const sizeBefore = await sizeOf(part)
    try {
      if (await fetchRest(file, part, report, tools)) return
      if (++spoilt > 1) throw new ReplicateError('source', `${file.path} has other bytes than its digest says`)
    } catch (error) {
      if (isDiskFull(error)) {
        await rm(part, { force: true })
        throw new ReplicateError('disk', `the disk is full while ${file.path} arrives`, { cause: error })
      }
      if (!(error instanceof SourceInterrupted)) throw error
      if ((await sizeOf(part)) - sizeBefore >= worthwhileBytes) attempt = 1
      if (attempt >= tools.tries) {
        throw new ReplicateError('source', `given up after ${attempt} attempts: ${error.message}`, {
          cause: error,
        })
      }
      await tools.pause(attempt, tools.stop)
    }
  }
}

type Report = (sizeBytes: number) => void

/** True: the file is in its place. False: what lay there before the resume spoilt it and is gone; to be fetched anew. */
async function fetchRest(file: WantedFile, part: string, report: Report, tools: FetchTools): Promise<boolean> {
  const handle = await open(part, 'a+', publicFileMode)
  try {
    const arriving = new ArrivingFile(file, handle, report)
    await arriving.resume(part)
    const resumedAt = arriving.sizeBytes
    if (resumedAt < file.sizeBytes || resumedAt === 0) await arriving.receive(await ask(file, arriving, tools), tools)
    if (!arriving.isRight()) {
      await arriving.restart()
      if (resumedAt > 0) return false
      throw new ReplicateError('source', `${file.path} has other bytes than its digest says`)
    }
    await handle.chmod(publicFileMode)
    await handle.sync()
  } finally {
    await handle.close()
  }
  const target = join(tools.folder, file.path)
  await makeFolder(dirname(target))
  await rename(part, target)
  return true
}

async function ask(file: WantedFile, arriving: ArrivingFile, { source, stop }: FetchTools): Promise<SourceAnswer> {
  const at = arriving.sizeBytes
  const answer = await source.get(file.path, at > 0 ? { range: `bytes=${at}-` } : {}, stop)
  const { status } = answer
  try {
    if (status === 200) {
      await arriving.restart()
      const length = answer.header('content-length')
      if (length !== undefined && length !== `${file.sizeBytes}`) {
        throw new ReplicateError('source', `${file.path} has ${length} bytes there instead of ${file.sizeBytes}`)
      }
      return answer
    }
    if (status === 206 && at > 0) {
      const expected = `bytes ${at}-${file.sizeBytes - 1}/${file.sizeBytes}`
      const told = answer.header('content-range')
      if (told === expected) return answer
      throw new ReplicateError('source', `${file.path}: Content-Range is "${told}" instead of "${expected}"`)
    }
    if (status === 416 && at > 0) {
      await arriving.restart()
      throw new SourceInterrupted(`${file.path}: the server cannot go on from ${at}`)
    }
    if (status >= 500 || status === 429 || status === 408) throw new SourceInterrupted(`${file.path}: status ${status}`)
    throw new ReplicateError('source', `${file.path}: status ${status}`)
  } catch (error) {
    await answer.discard()
    throw error
  }
}

/** The part file, its length and the digest of what it has so far. */
class ArrivingFile {
  readonly #file: WantedFile
  readonly #handle: FileHandle
  readonly #report: Report
  #hash: Hash
  sizeBytes = 0

  constructor(file: WantedFile, handle: FileHandle, report: Report) {
    this.#file = file
    this.#handle = handle
    this.#report = report
    this.#hash = createHash(algorithmOf(file.digest))
  }

  async resume(part: string): Promise<void> {
    const { size } = await this.#handle.stat()
    if (size > this.#file.sizeBytes) return this.restart()
    if (size > 0) for await (const chunk of createReadStream(part)) this.#count(chunk as Buffer)
  }

  async restart(): Promise<void> {
    this.sizeBytes = 0
    this.#report(0)
    this.#hash = createHash(algorithmOf(this.#file.digest))
    await this.#handle.truncate(0)
  }

  async receive({ chunks }: SourceAnswer, { pace, stop }: FetchTools): Promise<void> {
    for await (const chunk of chunks) {
      if (this.sizeBytes + chunk.length > this.#file.sizeBytes) {
        await this.restart()
        throw new ReplicateError('source', `${this.#file.path} is longer than its ${this.#file.sizeBytes} bytes`)
      }
      await this.#handle.writeFile(chunk)
      this.#count(chunk)
      await pace.take(chunk.length, stop)
    }
    if (this.sizeBytes < this.#file.sizeBytes) throw new SourceInterrupted(`${this.#file.path} ended early`)
  }

  isRight(): boolean {
    return this.sizeBytes === this.#file.sizeBytes && this.#hash.digest('hex') === hexOf(this.#file.digest)
  }

  #count(chunk: Uint8Array): void {
    this.#hash.update(chunk)
    this.sizeBytes += chunk.length
    this.#report(this.sizeBytes)
  }
}

async function sizeOf(path: string): Promise<number> {
  return (await stat(path).catch(() => undefined))?.size ?? 0
}
