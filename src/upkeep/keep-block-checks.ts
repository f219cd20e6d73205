// Brings the block checks of what a channel's tree carries to where front doors read them, and makes those that are missing: of blobs
// that were pushed before there were any, or with another key. What it does is bounded for each run, and gone on with at the next.

import { setImmediate as nextTurn } from 'node:timers/promises'
import type { BlobStore } from '#blobs/blob-store.ts'
import { makeBlockChecks } from '#blobs/block-checks.ts'
import type { BlockKey } from '#blobs/block-key.ts'
import {
  findBlockChecks,
  listTreeBlobsSince,
  putBlockChecks,
  type StoredChecks,
  type TreePlace,
} from '#catalogue/block-checks.ts'
import type { Catalogue } from '#catalogue/schema.ts'
import { eachBounded } from '#kit/each-bounded.ts'
import type { Digest } from '#oci/digest.ts'
import type { CheckFiles } from '#snapshots/check-files.ts'
import { encodeRecord } from '#snapshots/check-record.ts'
import { CheckFileDamaged } from '#snapshots/write-check-file.ts'
import type { CheckFolder } from './check-folder.ts'

export type KeepChecksLimits = {
  /** Blobs that are looked up at a time: SQLite answers in the thread of the front door. */
  readonly pageBlobs: number
  /** Blobs that become one file at a time. */
  readonly batchBlobs: number
  /** Bytes of blobs without checks that one run reads; a blob that is larger is read all the same. */
  readonly fillBytes: number
  /** Of those, at once. */
  readonly concurrency: number
  /** Blobs whose bytes were not right and that are tried again; of more only the log tells. */
  readonly maxLacking: number
  /** How long until they are. */
  readonly retryMs: number
}

export const keepChecksDefaults: KeepChecksLimits = {
  pageBlobs: 500,
  batchBlobs: 2_000,
  fillBytes: 4 * 2 ** 30,
  concurrency: 2,
  maxLacking: 1_000,
  retryMs: 3_600_000,
}

export type KeepChecksParts = {
  readonly catalogue: Catalogue
  readonly blobs: Pick<BlobStore, 'open' | 'verify'>
  readonly key: BlockKey
  readonly folder: CheckFolder
  readonly now: () => number
  readonly log: (message: string, about: { readonly digest?: string; readonly err?: unknown }) => void
}

type Blob = { readonly digest: Digest; readonly sizeBytes: number }
/** What became of some blobs; `left` were not looked at: the run has read its share. */
type Checked = { readonly records: readonly Buffer[]; readonly lacking: readonly Blob[]; readonly left: number }
type Batch = Pick<Checked, 'records' | 'lacking'> & {
  /** The last blob that was looked at. */
  readonly place: TreePlace
  /** Why nothing follows: the tree has no more, or the run has read its share. */
  readonly end: 'tree' | 'budget' | undefined
}

export class BlockCheckKeeper {
  readonly #channel: string
  readonly #parts: KeepChecksParts
  readonly #limits: KeepChecksLimits
  #state: CheckFiles | undefined
  #retriedAtMs: number

  constructor(channel: string, parts: KeepChecksParts, limits: KeepChecksLimits = keepChecksDefaults) {
    this.#channel = channel
    this.#parts = parts
    this.#limits = limits
    this.#retriedAtMs = parts.now()
  }

  /** One run. True: there is more to do than it was allowed to. */
  async run(signal?: AbortSignal): Promise<boolean> {
    const { folder, log } = this.#parts
    this.#state ??= await folder.load()
    try {
      return await this.#take(signal)
    } catch (error) {
      if (!(error instanceof CheckFileDamaged)) throw error
      log('a file of block checks is damaged: all are written anew from the catalogue', { err: error })
      this.#state = folder.empty
      return true
    }
  }

  async #take(signal: AbortSignal | undefined): Promise<boolean> {
    const budget = { bytes: this.#limits.fillBytes }
    await this.#retryLacking(budget)
    for (;;) {
      const batch = await this.#collect(budget, signal)
      if (batch.place !== this.#state) await this.#write(batch)
      if (batch.end) return batch.end === 'budget'
    }
  }

  /** What comes next in the tree, up to a file's worth of it. */
  async #collect(budget: { bytes: number }, signal: AbortSignal | undefined): Promise<Batch> {
    const { catalogue } = this.#parts
    const { pageBlobs, batchBlobs } = this.#limits
    const records: Buffer[] = []
    const lacking: Blob[] = []
    let place: TreePlace = this.#state!
    let end: Batch['end']
    while (!end && records.length < batchBlobs) {
      signal?.throwIfAborted()
      const page = await listTreeBlobsSince(catalogue, this.#channel, place, pageBlobs)
      if (page.length === 0) end = 'tree'
      const checked = await this.#check(page, budget)
      records.push(...checked.records)
      lacking.push(...checked.lacking)
      place = page.at(-1 - checked.left) ?? place
      if (checked.left > 0) end = 'budget'
      await nextTurn()
    }
    return { records, lacking, place, end }
  }

  /** A blob that was damaged here may have been pushed again. */
  async #retryLacking(budget: { bytes: number }): Promise<void> {
    const { lacking } = this.#state!
    const nowMs = this.#parts.now()
    if (lacking.length === 0 || nowMs - this.#retriedAtMs < this.#limits.retryMs) return
    this.#retriedAtMs = nowMs
    const checked = await this.#check(lacking, budget)
    if (checked.records.length === 0) return
    const still = new Set([...checked.lacking, ...lacking.slice(lacking.length - checked.left)])
    this.#state = { ...this.#state!, lacking: lacking.filter((blob) => still.has(blob)) }
    await this.#write({ records: checked.records, lacking: [], place: this.#state })
  }

  async #check(blobs: readonly Blob[], budget: { bytes: number }): Promise<Checked> {
    const { catalogue, key } = this.#parts
    const stored = await findBlockChecks(
      catalogue,
      key.id,
      blobs.map(({ digest }) => digest),
    )
    const found: StoredChecks[] = []
    const wanted: Blob[] = []
    let looked = 0
    for (const blob of blobs) {
      const checks = stored.get(blob.digest)
      if (!checks && budget.bytes <= 0) break
      looked++
      if (checks) found.push({ digest: blob.digest, checks })
      else {
        wanted.push(blob)
        budget.bytes -= blob.sizeBytes
      }
    }
    const lacking: Blob[] = []
    const made: StoredChecks[] = []
    await eachBounded(wanted, this.#limits.concurrency, async (blob) => {
      const checks = await this.#make(blob)
      if (checks) made.push({ digest: blob.digest, checks })
      else if (blob.sizeBytes > 0) lacking.push(blob)
      return undefined
    })
    if (made.length > 0) await catalogue.transaction().execute((tx) => putBlockChecks(tx, key.id, made))
    const records = [...found, ...made].map(({ digest, checks }) => encodeRecord(digest, checks, key))
    return { records, lacking, left: blobs.length - looked }
  }

  /** Only of a blob that still has its digest: checks of rotten bytes would close every good host. */
  async #make(blob: Blob): Promise<Uint8Array | undefined> {
    const { blobs, key, log } = this.#parts
    try {
      const checks = await makeBlockChecks(blobs, key, blob)
      const state = checks ? await blobs.verify(blob.digest) : 'missing'
      if (state === 'good' || blob.sizeBytes === 0) return checks
      log(`no block checks can be made of a blob that is ${state}: push it again`, { digest: blob.digest })
    } catch (error) {
      log('no block checks can be made of a blob that cannot be read', { digest: blob.digest, err: error })
    }
    return undefined
  }

  async #write({ records, lacking, place }: Omit<Batch, 'end'>): Promise<void> {
    const { generation, digest } = place
    const all = [...this.#state!.lacking, ...lacking].slice(0, this.#limits.maxLacking)
    this.#state = await this.#parts.folder.add({ ...this.#state!, generation, digest, lacking: all }, records)
  }
}
