// Brings the block checks of what a channel's tree carries to where front doors read them, and makes those that are missing: of blobs
// that were pushed before there were any, or with another key. What it does is bounded for each run, and gone on with at the next.

import type { BlobStore } from '#blobs/blob-store.ts'
import { makeBlockChecks } from '#blobs/block-checks.ts'
import type { BlockKey } from '#blobs/block-key.ts'
import { findBlockChecks, listTreeBlobsSince, putBlockChecks, type StoredChecks } from '#catalogue/block-checks.ts'
import type { Catalogue } from '#catalogue/schema.ts'
import { eachBounded } from '#kit/each-bounded.ts'
import type { Digest } from '#oci/digest.ts'
import type { CheckFiles } from '#snapshots/check-files.ts'
import { encodeRecord } from '#snapshots/check-record.ts'
import { CheckFileDamaged } from '#snapshots/write-check-file.ts'
import type { CheckFolder } from './check-folder.ts'

export type KeepChecksLimits = {
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
  batchBlobs: 10_000,
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
type Checked = { readonly found: readonly StoredChecks[]; readonly lacking: readonly Blob[]; readonly left: number }

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
    const { catalogue } = this.#parts
    const { batchBlobs } = this.#limits
    const budget = { bytes: this.#limits.fillBytes }
    await this.#retryLacking(budget)
    for (;;) {
      signal?.throwIfAborted()
      const page = await listTreeBlobsSince(catalogue, this.#channel, this.#state!, batchBlobs)
      if (page.length === 0) return false
      const checked = await this.#check(page, budget)
      const last = page.at(-1 - checked.left)
      if (last) await this.#write(checked, { generation: last.generation, digest: last.digest })
      if (checked.left > 0) return true
    }
  }

  /** A blob that was damaged here may have been pushed again. */
  async #retryLacking(budget: { bytes: number }): Promise<void> {
    const { lacking } = this.#state!
    const nowMs = this.#parts.now()
    if (lacking.length === 0 || nowMs - this.#retriedAtMs < this.#limits.retryMs) return
    this.#retriedAtMs = nowMs
    const checked = await this.#check(lacking, budget)
    if (checked.found.length === 0) return
    const found = new Set(checked.found.map(({ digest }) => digest))
    this.#state = { ...this.#state!, lacking: lacking.filter(({ digest }) => !found.has(digest)) }
    await this.#write({ ...checked, lacking: [] }, this.#state)
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
    return { found: [...found, ...made], lacking, left: blobs.length - looked }
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

  async #write(
    { found, lacking }: Checked,
    { generation, digest }: Pick<CheckFiles, 'generation' | 'digest'>,
  ): Promise<void> {
    const { folder, key } = this.#parts
    const records = found.map(({ digest, checks }) => encodeRecord(digest, checks, key))
    const all = [...this.#state!.lacking, ...lacking].slice(0, this.#limits.maxLacking)
    this.#state = await folder.add({ ...this.#state!, generation, digest, lacking: all }, records)
  }
}
