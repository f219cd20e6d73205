// What a copy keeps that has room for a part only. A blob serves its pulls times its size and costs its size, so what counts per byte
// of disk is its pulls alone: the highest score first. What nobody pulled comes last, the newest generation first.
import type { Digest } from '#oci/digest.ts'
import type { ListedBlob } from './blob-list.ts'

export type CopyLimits = {
  readonly capBytes: number
  /** Of the cap, for unpulled blobs of the newest generations: nobody could pull them yet, and a release brings many pulls at once. */
  readonly newShare: number
  /** A blob that is held already counts so much more, so that a copy does not change with every small change of the scores. */
  readonly heldBonus: number
}

export const copyLimitDefaults: Omit<CopyLimits, 'capBytes'> = { newShare: 0.1, heldBonus: 0.25 }

export type Popularity = {
  readonly scores: ReadonlyMap<string, number>
  /** Whether the copy has the blob now. */
  readonly isHeld: (digest: Digest) => boolean
}

export type ChosenBlobs = {
  readonly digests: ReadonlySet<Digest>
  readonly sizeBytes: number
  /** Of `sizeBytes`, what was never pulled. */
  readonly unpulledBytes: number
}

type Candidate = { readonly blob: ListedBlob; readonly isHeld: boolean; readonly rank: number }

/**
 * The blobs to keep, of a list in any order; at most `capBytes` of them. Filled greedily, what does not fit is skipped. What an empty
 * copy chose stays chosen, to the blob, until two scores have moved by `heldBonus` against each other since then.
 */
export async function chooseByPopularity(
  blobs: AsyncIterable<ListedBlob> | Iterable<ListedBlob>,
  { scores, isHeld }: Popularity,
  { capBytes, newShare, heldBonus }: CopyLimits,
): Promise<ChosenBlobs> {
  const pulled: Candidate[] = []
  const unpulled = new NewestPool(capBytes)
  for await (const blob of blobs) {
    if (blob.sizeBytes > capBytes) continue
    const held = isHeld(blob.digest)
    const rank = (scores.get(blob.digest) ?? 0) * (held ? 1 + heldBonus : 1)
    if (rank > 0) pulled.push({ blob, isHeld: held, rank })
    else unpulled.add({ blob, isHeld: held, rank })
  }
  pulled.sort((a, b) => b.rank - a.rank || byNewest(a, b))
  const newest = unpulled.sorted()
  const copy = new Copy()
  copy.fill(newest, Math.floor(capBytes * newShare))
  const { sizeBytes: forNew } = copy
  copy.fill(pulled, capBytes)
  const popularBytes = copy.sizeBytes - forNew
  copy.fill(newest, capBytes)
  const { digests, sizeBytes } = copy
  return { digests, sizeBytes, unpulledBytes: sizeBytes - popularBytes }
}

function byNewest(a: Candidate, b: Candidate): number {
  return (
    b.blob.generation - a.blob.generation ||
    Number(b.isHeld) - Number(a.isHeld) ||
    (a.blob.digest < b.blob.digest ? -1 : 1)
  )
}

class Copy {
  readonly digests = new Set<Digest>()
  sizeBytes = 0

  /** In their order, as long as all together stay within `roomBytes`. */
  fill(candidates: readonly Candidate[], roomBytes: number): void {
    for (const { blob } of candidates) {
      if (this.sizeBytes + blob.sizeBytes > roomBytes || this.digests.has(blob.digest)) continue
      this.digests.add(blob.digest)
      this.sizeBytes += blob.sizeBytes
    }
  }
}

/** Times the cap: older unpulled blobs than fill this much could at most close a last gap, and are not looked at. */
const poolCaps = 2

/** The newest of the candidates added, in the memory of what a few copies hold, however long the list is. */
class NewestPool {
  readonly #keptBytes: number
  #candidates: Candidate[] = []
  #sizeBytes = 0

  constructor(capBytes: number) {
    this.#keptBytes = capBytes * poolCaps
  }

  add(candidate: Candidate): void {
    this.#candidates.push(candidate)
    this.#sizeBytes += candidate.blob.sizeBytes
    if (this.#sizeBytes > 2 * this.#keptBytes) this.#trim()
  }

  sorted(): readonly Candidate[] {
    this.#trim()
    return this.#candidates
  }

  /** Keeps those that fewer than the kept bytes come before: which they are does not turn on when this is done. */
  #trim(): void {
    this.#candidates.sort(byNewest)
    let before = 0
    let count = 0
    while (count < this.#candidates.length && before < this.#keptBytes)
      before += this.#candidates[count++]!.blob.sizeBytes
    this.#candidates.length = count
    this.#sizeBytes = before
  }
}
