import { expect, test } from 'bun:test'
import { eachBounded } from './each-bounded.ts'

const turn = () => new Promise<void>((resolve) => setImmediate(resolve))

test('works on all, in order, and never on more than the limit at once', async () => {
  const started: number[] = []
  let running = 0
  let most = 0
  await eachBounded([1, 2, 3, 4, 5, 6, 7], 3, async (item) => {
    started.push(item)
    most = Math.max(most, ++running)
    for (let i = item % 3; i >= 0; i--) await turn()
    running--
    return undefined
  })
  expect(started).toEqual([1, 2, 3, 4, 5, 6, 7])
  expect(most).toBe(3)
})

test('an error waits for what runs and begins nothing more', async () => {
  const finished: number[] = []
  const run = eachBounded([1, 2, 3, 4], 2, async (item) => {
    if (item === 2) throw new Error('two')
    await turn()
    finished.push(item)
    return undefined
  })
  await expect(run).rejects.toThrow('two')
  expect(finished).toEqual([1])
})

test('false ends it, and the source is told', async () => {
  let isClosed = false
  async function* source() {
    try {
      for (let i = 1; ; i++) yield i
    } finally {
      isClosed = true
    }
  }
  const seen: number[] = []
  await eachBounded(source(), 2, async (item) => {
    seen.push(item)
    return item === 4 ? false : undefined
  })
  expect(seen.length).toBeLessThanOrEqual(5)
  expect(isClosed).toBe(true)
})
