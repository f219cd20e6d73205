// Reads again what is on the disk, at a pace that leaves the disk to those who are served from it, and brings anew what has rotted.
//
//   <folder>/.replicate/check.json    how far the reading has come: it goes round, from run to run
//   <folder>/.replicate/damaged/      what was set aside, until it is replaced

import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { lstat, readFile, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { makeFolder, writeFileAtomically } from '#kit/atomic-file.ts'
import { algorithmOf, blobPath, type Digest, hexOf, parseDigest } from '#oci/digest.ts'
import type { TreeContents } from '#snapshots/tree-contents.ts'
import type { WantedFile } from './arriving-file.ts'
import { namedFiles } from './copy-named-files.ts'
import { type Copying, waitFor } from './copying.ts'
import { fetchAll } from './fetch-all.ts'
import { Pace } from './pace.ts'
import { type ReplicaFolder, readHeldList } from './replica-folder.ts'
import type { CheckOptions } from './replicate-options.ts'

export type Checked = {
  /** Files that did not have the bytes of their digest, or were not there; all replaced. */
  readonly damaged: number
  readonly readFiles: number
  /** Everything has been read since the round began. */
  readonly isRoundDone: boolean
}

export type CheckTools = Copying & {
  /** Called before the first damaged file is set aside: from here on the copy is not whole. */
  readonly onIncomplete: () => Promise<void>
}

const privateFileMode = 0o600
/** So many are read until where it has come is written down. */
const filesPerNote = 64
const mostSetAside = 100

export async function checkDisk(contents: TreeContents, check: CheckOptions, tools: CheckTools): Promise<Checked> {
  const reading = new DiskReading(contents, check, tools)
  const cursor = await readCursor(tools.replica)
  const isRoundDone = cursor === '' ? await reading.read('', undefined) : await reading.goOn(cursor)
  await reading.replace()
  await rm(damagedFolder(tools.replica), { recursive: true, force: true })
  return { damaged: reading.damaged, readFiles: reading.readFiles, isRoundDone }
}

class DiskReading {
  damaged = 0
  readFiles = 0
  readonly #contents: TreeContents
  readonly #tools: CheckTools
  readonly #pace: Pace
  readonly #endsMs: number
  #setAside: WantedFile[] = []

  constructor(contents: TreeContents, check: CheckOptions, tools: CheckTools) {
    const { now } = tools.tools
    this.#contents = contents
    this.#tools = tools
    this.#pace = new Pace(() => check.bytesPerSecond, now, waitFor)
    this.#endsMs = check.limitMs > 0 ? now() + check.limitMs : Number.POSITIVE_INFINITY
  }

  /** To the end, and then from the beginning to where it began. */
  async goOn(cursor: string): Promise<boolean> {
    return (await this.read(cursor, undefined)) && (await this.read('', cursor))
  }

  /** What comes after `from` up to `until`; false: its time was over before. Lists and packs come first. */
  async read(from: string, until: string | undefined): Promise<boolean> {
    const { replica, tools } = this.#tools
    const { channel, generation } = this.#contents
    if (from === '') {
      const named = [...namedFiles('lists', this.#contents), ...namedFiles('packs', this.#contents)]
      for (const file of named) await this.#look(file)
    }
    let unnoted = 0
    for await (const { digest, sizeBytes } of readHeldList(replica, channel, generation)) {
      if (digest <= from) continue
      if (until !== undefined && digest > until) break
      tools.stop.throwIfAborted()
      await this.#look({ path: blobPath(digest), digest, sizeBytes })
      if (++unnoted % filesPerNote === 0) await writeCursor(replica, digest)
      if (tools.now() < this.#endsMs) continue
      await writeCursor(replica, digest)
      return false
    }
    await writeCursor(replica, '')
    return true
  }

  async #look(file: WantedFile): Promise<void> {
    const { replica, tools } = this.#tools
    this.readFiles++
    const path = join(replica.folder, file.path)
    if (await this.#isRight(path, file)) return
    if (this.damaged === 0) await this.#tools.onIncomplete()
    this.damaged++
    tools.onEvent({ event: 'damaged', path: file.path })
    await setAside(path, file.digest, replica)
    this.#setAside.push(file)
    if (this.#setAside.length >= mostSetAside) await this.replace()
  }

  async #isRight(path: string, { sizeBytes, digest }: WantedFile): Promise<boolean> {
    const found = await lstat(path).catch(() => undefined)
    if (!found?.isFile() || found.size !== sizeBytes) return false
    const hash = createHash(algorithmOf(digest))
    for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) {
      hash.update(chunk as Buffer)
      await this.#pace.take((chunk as Buffer).length, this.#tools.tools.stop)
    }
    return hash.digest('hex') === hexOf(digest)
  }

  async replace(): Promise<void> {
    const files = this.#setAside
    if (files.length === 0) return
    this.#setAside = []
    const { meter, blobFetching } = this.#tools
    meter.enter('check', { files: files.length, bytes: files.reduce((sum, file) => sum + file.sizeBytes, 0) })
    await fetchAll(files, blobFetching)
  }
}

function damagedFolder({ hidden }: ReplicaFolder): string {
  return join(hidden, 'damaged')
}

async function setAside(path: string, digest: Digest, replica: ReplicaFolder): Promise<void> {
  await makeFolder(damagedFolder(replica), 0o700)
  const aside = join(damagedFolder(replica), `${algorithmOf(digest)}-${hexOf(digest)}`)
  await rm(aside, { recursive: true, force: true })
  await rename(path, aside).catch((error) => {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
  })
}

function cursorPath({ hidden }: ReplicaFolder): string {
  return join(hidden, 'check.json')
}

/** A cursor that cannot be read is none: the round begins anew. */
async function readCursor(replica: ReplicaFolder): Promise<string> {
  try {
    return parseDigest(JSON.parse(await readFile(cursorPath(replica), 'utf8')).after) ?? ''
  } catch {
    return ''
  }
}

function writeCursor(replica: ReplicaFolder, after: string): Promise<void> {
  return writeFileAtomically(cursorPath(replica), `${JSON.stringify({ after })}\n`, privateFileMode)
}
