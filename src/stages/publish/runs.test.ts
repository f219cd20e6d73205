import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { makeDigest } from '#oci/digest.ts'
import { cheapestChain, type TreeFile, treeFile } from '#snapshots/tree-contents.ts'
import { extendRuns } from './extend-runs.ts'
import { runDefaults } from './runs.ts'

const digest = makeDigest('sha256', '0'.repeat(64))
const lineBytes = 60
const overheadBytes = 40

/** What each generation touches: blob -> is it there afterwards. */
type Changes = ReadonlyMap<number, boolean>

/** A publisher that keeps its files in memory, and all states for comparison. */
class History {
  readonly files = new Map<string, Changes>()
  readonly deltaBytes: number[] = []
  readonly states: ReadonlySet<number>[] = [new Set()]
  named: TreeFile[] = []
  writtenBytes = 0

  #write(changes: Changes, kind: { from: number; to: number }) {
    const sizeBytes = overheadBytes + lineBytes * changes.size
    this.files.set(treeFile('list', kind, { sizeBytes, digest }).path, changes)
    this.writtenBytes += sizeBytes
    return { sizeBytes, digest }
  }

  async publish(changes: Changes): Promise<void> {
    const number = this.states.length
    const state = new Set(this.states.at(-1))
    for (const [blob, isThere] of changes) isThere ? state.add(blob) : state.delete(blob)
    this.states.push(state)
    this.deltaBytes[number] = overheadBytes + lineBytes * changes.size
    this.named = await extendRuns(number, this.named, false, {
      kind: 'list',
      writeRun: async (span) => this.#write(changes, span),
      merge: async (older, newer) =>
        this.#write(new Map([...this.files.get(older.path)!, ...this.files.get(newer.path)!]), {
          from: older.from,
          to: newer.to,
        }),
      writeWhole: async (span) => this.#write(new Map([...state].map((blob) => [blob, true])), span),
    })
  }

  /** The state that a reader at `held` comes to, and what that costs him. */
  read(held: number): { state: ReadonlySet<number>; bytes: number; isWhole: boolean } {
    const chain = cheapestChain(this.named, held, this.states.length - 1)!
    let state = new Set(this.states[held])
    for (const file of chain) {
      if (file.from === 0) state = new Set()
      for (const [blob, isThere] of this.files.get(file.path)!) isThere ? state.add(blob) : state.delete(blob)
    }
    const bytes = chain.reduce((sum, file) => sum + file.sizeBytes, 0)
    return { state, bytes, isWhole: chain[0]?.from === 0 }
  }

  get wholeBytes(): number {
    return this.named.find((file) => file.from === 0)!.sizeBytes
  }
}

const sum = (numbers: readonly number[]) => numbers.reduce((a, b) => a + b, 0)
const slack = runDefaults.slackBytes + lineBytes + overheadBytes

describe('runs of changes', () => {
  const changes = fc
    .tuple(fc.constantFrom(1, 1, 1, 2, 5, 40), fc.nat(60), fc.boolean())
    .map(([count, start, isThere]) => new Map(Array.from({ length: count }, (_, i) => [start + i, isThere] as const)))

  test('bring every reader to the newest state, at twice what he lacks at most, or for the price of the whole', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(changes, { minLength: 1, maxLength: 80 }), async (all) => {
        const history = new History()
        for (const one of all) await history.publish(one)
        const newest = history.states.length - 1
        for (let held = 0; held < newest; held++) {
          const { state, bytes } = history.read(held)
          expect([...state].sort()).toEqual([...history.states[newest]!].sort())
          const lacking = sum(history.deltaBytes.slice(held + 1))
          const most = Math.min(2 * lacking, 2 * Math.max(history.wholeBytes, 16 * runDefaults.slackBytes))
          expect(bytes).toBeLessThanOrEqual(Math.max(most, history.wholeBytes) + slack)
        }
      }),
      { numRuns: 60 },
    )
  })

  test('stay few, are written about log2 times, and spare those who are behind the whole file', async () => {
    const history = new History()
    await history.publish(new Map(Array.from({ length: 5000 }, (_, i) => [i, true])))
    const firstBytes = history.writtenBytes
    let changedBytes = 0
    for (let number = 2; number <= 1000; number++) {
      await history.publish(new Map([[number * 7, number % 3 > 0] as const, [100_000 + number, true]]))
      changedBytes += history.deltaBytes[number]!
      expect(history.named.length).toBeLessThanOrEqual(20)
    }
    expect(history.writtenBytes - firstBytes).toBeLessThan(changedBytes * 12)
    for (let held = 1; held < 1000; held++) {
      const { state, bytes, isWhole } = history.read(held)
      if (held % 100 === 1) expect([...state].sort()).toEqual([...history.states[1000]!].sort())
      expect(isWhole).toBe(false)
      expect(bytes).toBeLessThanOrEqual(2 * sum(history.deltaBytes.slice(held + 1)) + slack)
    }
  })

  test('of generations before a gap are not named', async () => {
    const write = { sizeBytes: 10, digest }
    const named = await extendRuns(
      41,
      [treeFile('list', { from: 0, to: 20 }, write), treeFile('list', { from: 20, to: 21 }, write)],
      true,
      { kind: 'list', writeRun: () => Promise.reject(), merge: () => Promise.reject(), writeWhole: async () => write },
    )
    expect(named.map((file) => file.path)).toEqual(['lists/41.gz'])
  })
})
