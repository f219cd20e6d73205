// What a crawl says about a check-in. It began after the claim was made; only what it found itself is held against the host.

import type { CrawlRecord } from './host-records.ts'

export type JudgedClaim = { readonly generation: number; readonly isPartial: boolean; readonly atMs: number }

export type CrawlFinding = {
  readonly record: Pick<CrawlRecord, 'outcome' | 'reason' | 'lacking' | 'faults'>
  /** Of the host's presence after the crawl. */
  readonly settledGeneration: number
  /** Of every tree blob up to there that the host lacks, the generation that brought it. */
  readonly lackedGenerations: readonly number[]
}

export type Verdict = {
  readonly state: 'claimed' | 'accepted' | 'refused'
  /** The copy is whole up to here. */
  readonly provenGeneration: number
  readonly reason: string
}

/** `maxOpenMs`: a claim that no crawl could decide for this long is refused. */
export function judgeClaim(
  claim: JudgedClaim,
  found: CrawlFinding,
  { nowMs, maxOpenMs }: { readonly nowMs: number; readonly maxOpenMs: number },
): Verdict {
  const { record, settledGeneration, lackedGenerations } = found
  const { generation, isPartial } = claim
  const lacked = lackedGenerations.filter((one) => one <= generation)
  const provenGeneration = isPartial
    ? settledGeneration
    : lackedGenerations.reduce((proven, one) => Math.min(proven, one - 1), settledGeneration)
  const verdict = (state: Verdict['state'], reason: string): Verdict => ({ state, provenGeneration, reason })
  switch (record.outcome) {
    case 'lying':
      return verdict('refused', `wrong bytes: ${record.reason}`)
    case 'unsuitable':
      return verdict('refused', `it cannot serve clients: ${record.reason}`)
    case 'trouble':
    case 'partial':
      return nowMs - claim.atMs >= maxOpenMs
        ? verdict('refused', `not proven in all this time: ${record.reason}`)
        : verdict('claimed', `not decided yet: ${record.reason}`)
    case 'complete':
    case 'behind':
      if (settledGeneration < generation) return verdict('refused', `behind: ${record.reason}`)
      if (lacked.length === 0) return verdict('accepted', `every blob up to generation ${generation} is there`)
      if (isPartial) return verdict('accepted', `a part of the tree, without ${countBlobs(lacked.length)}`)
      // It was not asked for all that it lacked before; what it was asked for was there.
      if (record.lacking === 0) return verdict('claimed', `${countBlobs(lacked.length)} still to be looked at again`)
      return verdict(
        'refused',
        `lacking: ${countBlobs(lacked.length)} up to generation ${generation}${firstFault(record)}`,
      )
  }
}

function countBlobs(count: number): string {
  return count === 1 ? '1 blob' : `${count} blobs`
}

function firstFault({ faults }: Pick<CrawlRecord, 'faults'>): string {
  const [first] = faults
  return first ? `; ${first.url}: expected ${first.expected}, came ${first.came}` : ''
}
