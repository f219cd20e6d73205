import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { makeDigest } from '#oci/digest.ts'
import type { BlobListLine } from '#snapshots/blob-list.ts'
import { mergeChanges } from '#snapshots/merge-lists.ts'
import { cheapestChain, inOrder, treeFile } from '#snapshots/tree-contents.ts'
import { groupRuns, needsCheckpoint, type RunLimits, type SizedSpan, worthwhileRuns } from './runs.ts'

const limits: RunLimits = { tinyBytes: 8, leastCheckpointBytes: 32 }
const lineBytes = 1
const digest = makeDigest('sha256', '12'.repeat(32))

/** Blob -> the generation that brought it; a change of a generation: the same, or undefined for a blob that left. */
type State = ReadonlyMap<number, number>
type Change = ReadonlyMap<number, number | undefined>
type Run = SizedSpan & { readonly change: Change }

function merged(group: readonly Run[]): Run {
  if (group.length === 1) return group[0]!
  const change = new Map(group.flatMap((run) => [...run.change]))
  return { from: group[0]!.from, to: group.at(-1)!.to, change, sizeBytes: change.size * lineBytes }
}

/** A publisher that keeps everything in memory, with the same rules and without files. */
class Twin {
  readonly states: State[] = [new Map()]
  readonly deltaBytes: number[] = [0]
  checkpoint: SizedSpan | undefined
  runs: readonly Run[] = []
  writtenBytes = 0

  publish(change: Change): void {
    const from = this.states.length - 1
    const to = from + 1
    const state = new Map(this.states[from])
    for (const [blob, since] of change) {
      if (since === undefined) state.delete(blob)
      else state.set(blob, since)
    }
    this.states.push(state)
    this.deltaBytes.push(change.size * lineBytes)
    if (from > 0) {
      const newest = { from, to, change, sizeBytes: change.size * lineBytes }
      this.runs = groupRuns([...this.runs, newest], limits).map((group) => {
        const run = merged(group)
        if (run.to === to || group.length > 1) this.writtenBytes += run.sizeBytes
        return run
      })
    }
    if (needsCheckpoint(this.checkpoint, this.runs, limits)) {
      this.checkpoint = { from: 0, to, sizeBytes: state.size * lineBytes }
      this.writtenBytes += this.checkpoint.sizeBytes
    }
    this.runs = worthwhileRuns(this.checkpoint!, this.runs, limits)
  }

  /** What a client that is at `held` fetches, and the state that it has then. */
  follow(held: number): { bytes: number; state: State } {
    const named = [this.checkpoint!, ...this.runs].map((one) => treeFile('list', one, { ...one, digest }))
    const chain = cheapestChain(inOrder(named), held, this.states.length - 1)!
    const state = new Map(this.states[held])
    for (const file of chain) {
      if (file.from === 0) {
        state.clear()
        for (const [blob, since] of this.states[file.to]!) state.set(blob, since)
        continue
      }
      const { change } = this.runs.find((run) => run.from === file.from && run.to === file.to)!
      for (const [blob, since] of change) {
        if (since === undefined) state.delete(blob)
        else state.set(blob, since)
      }
    }
    return { bytes: chain.reduce((sum, file) => sum + file.sizeBytes, 0), state }
  }
}

const sorted = (state: State) => [...state].sort(([a], [b]) => a - b)
/** Most are small, some are large: one build, or a mass rebuild. */
const counts = fc.array(
  fc.oneof(
    { weight: 9, arbitrary: fc.integer({ min: 1, max: 6 }) },
    { arbitrary: fc.integer({ min: 20, max: 300 }), weight: 1 },
  ),
  { minLength: 1, maxLength: 150 },
)

function onlyNew(sizes: readonly number[]): Twin {
  const twin = new Twin()
  let blob = 0
  for (const size of sizes) {
    const since = twin.states.length
    twin.publish(new Map(Array.from({ length: size }, () => [blob++, since] as const)))
  }
  return twin
}

describe('runs of changes', () => {
  test('whoever is behind, however far, fetches at most twice what he lacks', () => {
    fc.assert(
      fc.property(counts, (sizes) => {
        const twin = onlyNew(sizes)
        const newest = twin.states.length - 1
        for (let held = 0; held <= newest; held++) {
          const { bytes, state } = twin.follow(held)
          const lacks = twin.deltaBytes.slice(held + 1).reduce((sum, one) => sum + one, 0)
          if (held === newest - 1 && held > 0) expect(bytes).toBeLessThanOrEqual(lacks)
          expect(bytes).toBeLessThanOrEqual(2 * lacks + limits.leastCheckpointBytes)
          expect(sorted(state)).toEqual(sorted(twin.states[newest]!))
        }
      }),
      { numRuns: 60 },
    )
  })

  test('blobs that leave and come back, and keys that change all the time, come out right from every generation', () => {
    const change = fc.array(fc.tuple(fc.nat(12), fc.boolean()), { minLength: 1, maxLength: 12 })
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 120 }), (changes) => {
        const twin = new Twin()
        for (const one of changes) {
          const since = twin.states.length
          twin.publish(new Map(one.map(([blob, stays]) => [blob, stays ? since : undefined])))
        }
        const newest = twin.states.length - 1
        for (let held = 0; held <= newest; held++) {
          const { bytes, state } = twin.follow(held)
          expect(sorted(state)).toEqual(sorted(twin.states[newest]!))
          const lacks = twin.deltaBytes.slice(held + 1).reduce((sum, one) => sum + one, 0)
          expect(bytes).toBeLessThanOrEqual(2 * lacks + limits.leastCheckpointBytes)
        }
      }),
      { numRuns: 60 },
    )
  })

  test('few files are named, and a line is written a few times in its life', () => {
    fc.assert(
      fc.property(counts, fc.integer({ min: 1, max: 6 }), (sizes, times) => {
        const all = Array.from({ length: times }, () => sizes).flat()
        const twin = onlyNew(all)
        const total = all.reduce((sum, one) => sum + one, 0)
        const doublings = Math.log2(2 + total / limits.tinyBytes)
        expect(twin.runs.length).toBeLessThanOrEqual(2 * doublings + 3)
        // Below `tinyBytes` a run may be written with every change; above, each line once for each doubling; checkpoints thrice.
        expect(twin.writtenBytes).toBeLessThanOrEqual(
          total * (doublings + 5) + all.length * limits.tinyBytes + limits.leastCheckpointBytes,
        )
      }),
      { numRuns: 60 },
    )
  })

  test('nobody whose generation the runs span reads a checkpoint, and a newcomer reads twice the state at most', () => {
    const sizes = Array.from({ length: 400 }, (_, i) => 1 + (i % 3))
    const twin = onlyNew([10_000, ...sizes])
    const newest = twin.states.length - 1
    expect(twin.checkpoint).toMatchObject({ to: 1 })
    expect(twin.runs[0]).toMatchObject({ from: 1 })
    for (let held = 1; held < newest; held++) expect(twin.follow(held).bytes).toBeLessThan(2000)
    expect(twin.follow(0).bytes).toBeLessThan(2 * 10_000)
  })
})

test('groups of runs: two become one when all newer ones are as large', () => {
  const runs = (...sizes: number[]) => sizes.map((sizeBytes, i) => ({ from: i + 1, to: i + 2, sizeBytes }))
  const shape = (...sizes: number[]) =>
    groupRuns(runs(...sizes), { ...limits, tinyBytes: 0 }).map((group) => group.map((run) => run.sizeBytes))
  expect(shape()).toEqual([])
  expect(shape(5)).toEqual([[5]])
  expect(shape(5, 5)).toEqual([[5], [5]])
  expect(shape(5, 5, 9)).toEqual([[5], [5], [9]])
  expect(shape(5, 5, 10)).toEqual([[5, 5], [10]])
  expect(shape(5, 5, 5, 5)).toEqual([[5, 5], [5], [5]])
  expect(shape(20, 2, 2, 30)).toEqual([[20, 2, 2], [30]])
  expect(groupRuns(runs(3, 3, 1), limits).map((group) => group.length)).toEqual([2, 1])
})

test('lists merge like the maps of the twin', async () => {
  const blobOf = (n: number) => makeDigest('sha256', n.toString(16).padStart(64, '0'))
  const list = fc.uniqueArray(fc.tuple(fc.nat(20), fc.boolean()), { selector: ([blob]) => blob, maxLength: 12 })
  async function* lines(
    from: readonly (readonly [number, boolean])[],
    generation: number,
  ): AsyncGenerator<BlobListLine> {
    for (const [blob, comes] of from.toSorted(([a], [b]) => a - b))
      yield { sign: comes ? '+' : '-', digest: blobOf(blob), sizeBytes: 1, generation }
  }
  await fc.assert(
    fc.asyncProperty(fc.array(list, { maxLength: 5 }), async (lists) => {
      const found: string[] = []
      for await (const line of mergeChanges(lists.map((one, i) => lines(one, i + 1))))
        found.push(`${line.sign}${line.digest} ${line.generation}`)
      const newest = new Map(lists.flatMap((one, i) => one.map(([blob, comes]) => [blob, [comes, i + 1] as const])))
      const expected = [...newest]
        .sort(([a], [b]) => a - b)
        .map(([blob, [comes, generation]]) => `${comes ? '+' : '-'}${blobOf(blob)} ${generation}`)
      expect(found).toEqual(expected)
    }),
  )
})
