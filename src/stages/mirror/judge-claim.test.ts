import { expect, test } from 'bun:test'
import type { CrawlOutcome } from './host-records.ts'
import { type CrawlFinding, judgeClaim, type Verdict } from './judge-claim.ts'

const fault = { url: 'https://h.test/blobs/x', expected: 'status 200', came: 'status 404' }
const found = (outcome: CrawlOutcome, settledGeneration: number, lackedGenerations: number[] = [], lacking = 1) =>
  ({
    record: { outcome, reason: `the crawl was ${outcome}`, lacking, faults: [fault] },
    settledGeneration,
    lackedGenerations,
  }) satisfies CrawlFinding

type Case = readonly [
  what: string,
  generation: number,
  found: CrawlFinding,
  state: Verdict['state'],
  proven: number,
  reason: RegExp,
]
const whole: readonly Case[] = [
  ['every blob is there', 7, found('complete', 7), 'accepted', 7, /every blob up to generation 7/],
  ['more is there than it says', 5, found('complete', 7), 'accepted', 7, /generation 5/],
  ['it says that there is news that it has not', 6, found('behind', 6), 'accepted', 6, /generation 6/],
  ['what it lacks came later than its claim', 6, found('complete', 7, [7]), 'accepted', 6, /generation 6/],
  ['its own metadata says less', 7, found('behind', 6), 'refused', 6, /^behind: /],
  ['blobs are missing', 7, found('complete', 7, [5, 3, 7]), 'refused', 2, /^lacking: 3 blobs .*came status 404/],
  ['its bytes are wrong, though it had all', 7, found('lying', 7), 'refused', 7, /^wrong bytes: /],
  ['it cannot serve clients', 7, found('unsuitable', 7), 'refused', 7, /^it cannot serve clients: /],
  ['it was not reached', 7, found('trouble', 7), 'claimed', 7, /not decided yet/],
  ['the budget ended the crawl', 7, found('partial', 3), 'claimed', 3, /not decided yet/],
  ['all that was asked again is there by now', 7, found('complete', 7, [3], 0), 'claimed', 2, /looked at again/],
]
test.each(whole)('%s', (_, generation, finding, state, provenGeneration, reason) => {
  const claim = { generation, isPartial: false, atMs: 1000 }
  const verdict = judgeClaim(claim, finding, { nowMs: 1999, maxOpenMs: 1000 })
  expect(verdict).toEqual({ state, provenGeneration, reason: expect.stringMatching(reason) as unknown as string })
})

test.each(['trouble', 'partial'] as const)('%s for too long ends the claim', (outcome) => {
  const claim = { generation: 7, isPartial: false, atMs: 1000 }
  const verdict = judgeClaim(claim, found(outcome, 7), { nowMs: 2000, maxOpenMs: 1000 })
  expect(verdict).toMatchObject({ state: 'refused', reason: `not proven in all this time: the crawl was ${outcome}` })
})

const parts: readonly Case[] = [
  ['what it left out is no fault', 7, found('complete', 7, [3]), 'accepted', 7, /without 1 blob$/],
  ['wrong bytes are one', 7, found('lying', 7, [3]), 'refused', 7, /^wrong bytes/],
  ['being behind is one', 7, found('behind', 5), 'refused', 5, /^behind/],
]
test.each(parts)('a part of the tree: %s', (_, generation, finding, state, provenGeneration, reason) => {
  const claim = { generation, isPartial: true, atMs: 1000 }
  const verdict = judgeClaim(claim, finding, { nowMs: 1999, maxOpenMs: 1000 })
  expect(verdict).toEqual({ state, provenGeneration, reason: expect.stringMatching(reason) as unknown as string })
})
