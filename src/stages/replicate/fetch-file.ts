// One file of the tree, from whichever source has it: the next one after each failure, with the time between that each asks for.

import { rm } from 'node:fs/promises'
import type { WantedFile } from './arriving-file.ts'
import { partPath, type ReceiveTools, receiveFile } from './receive-file.ts'
import { isDiskFull, ReplicateError } from './replicate-error.ts'
import type { SettleFiles } from './settle-files.ts'
import { HostFailed, PartSpoilt, SourceBusy, SourceInterrupted, WrongBytes } from './source-trouble.ts'
import type { TreeSources, Upstream } from './tree-sources.ts'

export type FetchTools = Omit<ReceiveTools, 'report' | 'settling'> & {
  readonly sources: TreeSources
  /** Attempts in a row, at each source, that may bring nothing before the file is given up. */
  readonly tries: number
  readonly pause: (attempt: number, stop: AbortSignal) => Promise<void>
  /** Bytes that count as fetched; negative when they turned out to be worth nothing. */
  readonly onBytes: (bytes: number) => void
}

/** An attempt that brought this much was worth it: the count of attempts begins anew. */
const worthwhileBytes = 1 << 20
/** Hosts that one source may send us to in vain for one file. */
const mostHosts = 9

/** Where the file came from; it is in its place when `settling` has settled. Throws ReplicateError; SourceBusy when every source that may have it asks to come back later. */
export async function fetchFile(file: WantedFile, settling: SettleFiles, tools: FetchTools): Promise<string> {
  const attempts = new FileAttempts(file, tools)
  for (;;) {
    tools.stop.throwIfAborted()
    const upstream = attempts.choose()
    const sizeBefore = attempts.sizeBytes
    upstream.active++
    try {
      await receiveFile(file, upstream, { ...tools, settling, report: attempts.report })
      return upstream.url
    } catch (error) {
      await attempts.judge(error, upstream, sizeBefore)
    } finally {
      upstream.active--
    }
  }
}

class FileAttempts {
  readonly #file: WantedFile
  readonly #tools: FetchTools
  /** Sources that cannot help with this file. */
  readonly #without = new Set<Upstream>()
  readonly #busyMs = new Map<Upstream, number>()
  #last: ReplicateError | undefined
  #counted = 0
  #attempt = 0
  #spoilt = 0
  #hosts = 0

  constructor(file: WantedFile, tools: FetchTools) {
    this.#file = file
    this.#tools = tools
  }

  readonly report = (sizeBytes: number): void => {
    this.#tools.onBytes(sizeBytes - this.#counted)
    this.#counted = sizeBytes
  }

  /** How much of the file is here, as far as was looked. */
  get sizeBytes(): number {
    return this.#counted
  }

  choose(): Upstream {
    const { sources } = this.#tools
    const upstream = sources.choose(new Set([...this.#without, ...this.#busyMs.keys()]))
    if (upstream) return upstream
    const busyForMs = sources.busyForMs(this.#without)
    const waits = [...this.#busyMs.values(), ...(busyForMs === undefined ? [] : [busyForMs])]
    if (waits.length > 0) throw new SourceBusy(`${this.#file.path}: every source is busy`, Math.min(...waits))
    throw this.#last ?? new ReplicateError('source', `${this.#file.path}: no source is left that can be believed`)
  }

  /** Resolves when there is to be another attempt. */
  async judge(error: unknown, upstream: Upstream, sizeBefore: number): Promise<void> {
    const { path } = this.#file
    const { sources, partsFolder } = this.#tools
    if (isDiskFull(error)) {
      await rm(partPath(partsFolder, this.#file), { force: true })
      throw new ReplicateError('disk', `the disk is full while ${path} arrives`, { cause: error })
    }
    if (error instanceof WrongBytes) {
      sources.lied(upstream, error.host, path, error.message)
      if (!error.host || ++this.#hosts >= mostHosts) this.#leave(upstream, error)
    } else if (error instanceof PartSpoilt) {
      if (++this.#spoilt > 1) this.#leave(upstream, error)
    } else if (error instanceof HostFailed) {
      sources.hostFailed(upstream, error.host, error.message)
      if (++this.#hosts >= mostHosts) this.#leave(upstream, error)
    } else if (error instanceof SourceBusy) {
      sources.busy(upstream, error.retryAfterMs)
      this.#busyMs.set(upstream, error.retryAfterMs)
    } else if (error instanceof SourceInterrupted) {
      await this.#interrupted(error, upstream, sizeBefore)
    } else if (error instanceof ReplicateError && error.reason === 'source') {
      this.#leave(upstream, error)
    } else {
      throw error
    }
  }

  #leave(upstream: Upstream, error: Error): void {
    this.#without.add(upstream)
    this.#last = error instanceof ReplicateError ? error : new ReplicateError('source', error.message, { cause: error })
  }

  async #interrupted(error: SourceInterrupted, upstream: Upstream, sizeBefore: number): Promise<void> {
    const { sources, tries, pause, stop } = this.#tools
    sources.failed(upstream)
    if (this.#counted - sizeBefore >= worthwhileBytes) this.#attempt = 0
    if (++this.#attempt >= tries * sources.upstreams.length) {
      const said = `given up after ${this.#attempt} attempts: ${error.message}`
      throw new ReplicateError('source', said, { cause: error })
    }
    if (sources.choose(this.#without) === upstream) await pause(this.#attempt, stop)
  }
}
