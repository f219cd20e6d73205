// Our own bytes as the measure of a host: they may be the rotten ones, so that a host which differs from them is blamed only after ours
// were read whole and have their digest.

import type { BlobBody, ByteRange } from '#blobs/blob-store.ts'
import { openHasher } from '#blobs/hashing.ts'
import { algorithmOf, type Digest } from '#oci/digest.ts'

/** Undefined when the bytes are not here. */
export type OpenBlob = (digest: Digest, range?: ByteRange) => Promise<BlobBody | undefined>

/** sound: they have their digest. damaged: they do not, or cannot be read. unknown: too many wait to be read. */
export type OwnState = 'sound' | 'damaged' | 'unknown'

export type OwnBlobLimits = {
  /** How long it counts that a blob was read whole. */
  readonly readCountsMs: number
  readonly maxRemembered: number
  /** Blobs that wait to be read; they are read one at a time. */
  readonly maxWaiting: number
}

export const ownBlobDefaults: OwnBlobLimits = { readCountsMs: 600_000, maxRemembered: 1_000, maxWaiting: 16 }

export class OwnBlobs {
  readonly #openBlob: OpenBlob | undefined
  readonly #now: () => number
  readonly #limits: OwnBlobLimits
  readonly #known = new Map<Digest, { readonly state: OwnState; readonly atMs: number }>()
  readonly #waiting = new Map<Digest, Promise<OwnState>>()
  #reading: Promise<unknown> = Promise.resolve()

  constructor(openBlob: OpenBlob | undefined, now: () => number, limits: OwnBlobLimits = ownBlobDefaults) {
    this.#openBlob = openBlob
    this.#now = now
    this.#limits = limits
  }

  /** Bytes to compare with; undefined when there are none here, or none that can be read, or that are known to be damaged. */
  async find(digest: Digest, range: ByteRange): Promise<Uint8Array | undefined> {
    if (this.#recall(digest) === 'damaged') return undefined
    try {
      const body = await this.#openBlob?.(digest, range)
      if (!body) return undefined
      await using _ = body
      return await new Response(body.stream()).bytes()
    } catch {
      // What we cannot read ourselves is no fault of a host.
      return undefined
    }
  }

  /** Reads the whole blob, unless that was done a while ago. */
  verify(digest: Digest): Promise<OwnState> {
    const known = this.#recall(digest)
    if (known) return Promise.resolve(known)
    const waiting = this.#waiting.get(digest)
    if (waiting) return waiting
    if (this.#waiting.size >= this.#limits.maxWaiting) return Promise.resolve('unknown')
    const read = this.#reading.then(() => this.#read(digest)).finally(() => this.#waiting.delete(digest))
    this.#waiting.set(digest, read)
    this.#reading = read
    return read
  }

  #recall(digest: Digest): OwnState | undefined {
    const known = this.#known.get(digest)
    return known && this.#now() - known.atMs < this.#limits.readCountsMs ? known.state : undefined
  }

  async #read(digest: Digest): Promise<OwnState> {
    const state = await this.#isSound(digest).then(
      (isSound) => (isSound ? 'sound' : 'damaged'),
      () => 'damaged' as const,
    )
    this.#known.delete(digest)
    const oldest = this.#known.size >= this.#limits.maxRemembered ? this.#known.keys().next().value : undefined
    if (oldest !== undefined) this.#known.delete(oldest)
    this.#known.set(digest, { state, atMs: this.#now() })
    return state
  }

  async #isSound(digest: Digest): Promise<boolean> {
    const body = await this.#openBlob?.(digest)
    if (!body) return false
    await using _ = body
    const hasher = openHasher(algorithmOf(digest))
    for await (const chunk of body.stream()) hasher.update(chunk)
    return hasher.digest() === digest
  }
}
